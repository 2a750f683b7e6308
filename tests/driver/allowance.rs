//! The frame allowance granted by a runtime: no more frames are parsed, and none is lost.

use websocket_driver::{Batch, Config, Event, Message, ProtocolError, Version};
use websocket_tests::wire::{Frame, frames, hixie_text};

use crate::session::{Session, closed, failed, ping, text};

/// The number of empty client frames in 128 KiB.
const FRAMES: usize = 128 * 1024 / 6;

/// Polls with an allowance of `granted` frames at a time.
fn events(session: &mut Session, granted: u32) -> Vec<Vec<Event>> {
    let mut all = Vec::new();
    loop {
        session.driver.grant(granted);
        all.push(session.events());
        if !session.driver.is_exhausted() {
            return all;
        }
    }
}

#[test]
fn empty_fragments_are_parsed_as_far_as_granted() {
    let more = vec![Frame::continuation("").more(); FRAMES - 2];
    let all = frames([Frame::text("").more()].into_iter().chain(more).chain([Frame::continuation("")]));
    for granted in [1, 10, 1000, FRAMES - 1, FRAMES, FRAMES + 1] {
        let mut session = Session::open(Version::Hybi13);
        session.driver.receive(&all[..]);
        let mut parsed = 0;
        let mut told = Vec::new();
        while parsed < FRAMES {
            assert!(session.driver.has_frame());
            session.driver.grant(granted as u32);
            assert!(!session.driver.is_exhausted());
            told.extend(session.events());
            assert_eq!(session.driver.is_exhausted(), parsed + granted <= FRAMES);
            parsed = FRAMES.min(parsed + granted);
            assert_eq!(session.driver.input().len(), 6 * (FRAMES - parsed));
        }
        assert_eq!(told, [text("")]);
    }
}

#[test]
fn pings_are_answered_as_far_as_granted() {
    let mut session = Session::open(Version::Hybi13);
    session.driver.receive(&frames(vec![Frame::ping("x"); 1000])[..]);
    for _ in 0..100 {
        session.driver.grant(10);
        assert_eq!(session.events(), vec![ping("x"); 10]);
        assert_eq!(session.frames().len(), 10);
        assert!(session.driver.is_exhausted());
        assert_eq!(session.driver.poll_event(), None);
    }
    assert!(session.driver.input().is_empty());
}

#[test]
fn messages_are_received_as_far_as_granted() {
    let all = [frames(vec![Frame::text("x"); 25]), hixie_text("x").repeat(25)];
    for (version, all) in [Version::Hybi13, Version::Hixie76].into_iter().zip(all) {
        let mut session = Session::open(version);
        session.driver.receive(&all[..]);
        let counts: Vec<_> = events(&mut session, 10).iter().map(Vec::len).collect();
        assert_eq!(counts, [10, 10, 5]);
    }
}

#[test]
fn skipped_hixie_frames_are_parsed_as_far_as_granted() {
    let mut session = Session::open(Version::Hixie75);
    session.driver.receive(&[0x80, 0].repeat(1000)[..]);
    session.driver.grant(10);
    assert_eq!(session.events(), []);
    assert!(session.driver.is_exhausted());
    assert!((1980..=1981).contains(&session.driver.input().len()));
}

#[test]
fn batch_returns_as_many_messages_as_granted() {
    let long = vec![7; 300];
    for visits in [false, true] {
        let mut session = Session::open(Version::Hybi13);
        let sent = [Frame::text("short"), Frame::binary(&long)].into_iter().cycle().take(25);
        session.driver.receive(&frames(sent)[..]);
        let mut batch = Batch::default();
        let mut counts = Vec::new();
        for _ in 0..4 {
            session.driver.grant(10);
            session.driver.lend(&mut batch);
            let mut count = 0;
            if visits {
                batch.visit(|_| {
                    count += 1;
                    true
                });
            } else {
                count = batch.by_ref().count();
            }
            assert!(!batch.has_next());
            session.driver.take_back(&mut batch);
            counts.push((count, session.driver.is_exhausted()));
            session.driver.lend(&mut batch);
            assert!(!batch.has_next());
            assert_eq!(session.driver.poll_event(), None);
        }
        assert_eq!(counts, [(10, true), (10, true), (5, false), (0, false)], "visits: {visits}");
    }
}

#[test]
fn batch_consumes_as_many_fragments_as_granted() {
    let message = [Frame::text("a").more(), Frame::continuation("b").more(), Frame::continuation("c")];
    for visits in [false, true] {
        let mut session = Session::open(Version::Hybi13);
        session.driver.receive(&frames(message.iter().cloned().cycle().take(12))[..]);
        let mut batch = Batch::default();
        session.driver.grant(8);
        session.driver.lend(&mut batch);
        let mut received = Vec::new();
        if visits {
            batch.visit(|message| {
                received.push(Message::from(message));
                true
            });
        } else {
            received.extend(batch.by_ref());
        }
        session.driver.take_back(&mut batch);
        assert_eq!(received, [Message::text("abc"), Message::text("abc")], "visits: {visits}");
        // Two more fragments are within the grant, but not the whole message.
        assert!(!session.driver.is_exhausted());
        session.driver.lend(&mut batch);
        assert!(!batch.has_next());
        assert_eq!(session.driver.poll_event(), None);
        assert!(session.driver.is_exhausted());
        session.driver.grant(4);
        assert_eq!(session.events(), [text("abc"), text("abc")]);
        assert!(session.driver.is_exhausted());
    }
}

#[test]
fn batch_returns_no_message_of_more_fragments_than_allowed() {
    for (max_fragments, has_next) in [(2, false), (3, true), (1000, true)] {
        let mut session = Session::open_with(Version::Hybi13, Config::server().max_fragments(max_fragments));
        let message = [Frame::binary("a").more(), Frame::continuation("").more(), Frame::continuation("b")];
        session.driver.receive(&frames(message)[..]);
        let mut batch = Batch::default();
        session.driver.lend(&mut batch);
        assert_eq!(batch.has_next(), has_next, "at most {max_fragments} fragments");
        session.driver.take_back(&mut batch);
        let error = ProtocolError::TooManyFragments { limit: max_fragments };
        let expected =
            if has_next { vec![Event::Message(Message::binary("ab"))] } else { failed(error, 1009).to_vec() };
        assert_eq!(session.events(), expected);
    }
}

#[test]
fn batch_and_events_share_the_grant() {
    let mut session = Session::open(Version::Hybi13);
    session.driver.receive(&frames(vec![Frame::text("x"); 10])[..]);
    session.driver.grant(7);
    let mut batch = Batch::default();
    for _ in 0..2 {
        session.driver.lend(&mut batch);
        assert!(batch.by_ref().take(2).count() == 2);
        session.driver.take_back(&mut batch);
        assert_eq!(session.driver.poll_event(), Some(text("x")));
    }
    session.driver.lend(&mut batch);
    let mut count = 0;
    batch.visit(|_| {
        count += 1;
        true
    });
    session.driver.take_back(&mut batch);
    assert_eq!((count, session.driver.is_exhausted()), (1, true));
    session.driver.grant(u32::MAX);
    assert_eq!(session.events().len(), 3);
}

#[test]
fn batch_with_more_messages_than_its_counter_continues_after_it_is_lent_again() {
    let mut session = Session::open(Version::Hybi13);
    let count = 3 * usize::from(u16::MAX);
    session.driver.receive(&Frame::text("").bytes().repeat(count)[..]);
    let mut batch = Batch::default();
    let mut counts = Vec::new();
    while !session.driver.input().is_empty() {
        session.driver.lend(&mut batch);
        counts.push(batch.by_ref().map(|message| assert_eq!(message, Message::text(""))).count());
        session.driver.take_back(&mut batch);
        assert!(!session.driver.is_exhausted());
    }
    assert_eq!(counts.iter().sum::<usize>(), count);
}

#[test]
fn events_without_a_frame_need_no_grant() {
    let mut session = Session::reading(Config::server());
    session.driver.grant(0);
    let request = websocket_tests::wire::Handshake::of(Version::Hybi13).bytes();
    assert_eq!(session.feed(request), [Event::Connect, Event::Open]);
    session.driver.grant(1);
    assert_eq!(session.feed([0x83]), failed(ProtocolError::UnknownOpcode(3), 1002));
}

#[test]
fn end_of_the_transport_waits_for_the_frames_before_it() {
    let mut session = Session::open(Version::Hybi13);
    session.driver.receive(&frames([Frame::text("1"), Frame::text("2"), Frame::close(1000, "")])[..]);
    session.driver.receive_eof();
    session.driver.grant(1);
    assert_eq!(session.events(), [text("1")]);
    session.driver.grant(1);
    assert_eq!(session.events(), [text("2")]);
    assert!(session.driver.is_exhausted() && !session.driver.is_closed());
    session.driver.grant(1);
    assert_eq!(session.events(), [closed(1000, "")]);
}
