//! RFC 6455 §5.5.2 and §5.5.3: pings and pongs.

use bytes::Buf;
use websocket_driver::{CloseCode, Config, Event, SendError, Version};
use websocket_tests::wire::{Frame, HYBI, ServerFrame, frames, server_frames};

use crate::session::{Session, ping};

#[test]
fn ping_is_answered_with_its_payload() {
    for version in HYBI {
        let mut session = Session::open(version);
        for payload in [&b""[..], b"x", &[0xff; 125]] {
            assert_eq!(session.feed(Frame::ping(payload).bytes()), [ping(payload)]);
            assert_eq!(session.frames(), [ServerFrame::pong(payload)]);
        }
    }
}

#[test]
fn pong_is_reported_and_not_answered() {
    let mut session = Session::open(Version::Hybi13);
    assert_eq!(session.feed(Frame::pong("unasked").bytes()), [Event::Pong("unasked".into())]);
    assert_eq!(session.written(), []);
}

#[test]
fn ping_and_pong_payloads_are_limited_to_125_bytes() {
    let mut session = Session::open(Version::Hybi13);
    assert_eq!(session.driver.send_ping(vec![0; 126]), Err(SendError::ControlTooLong));
    assert_eq!(session.driver.send_pong(vec![0; 126]), Err(SendError::ControlTooLong));
    assert_eq!(session.written(), []);
    session.driver.send_ping(vec![1; 125]).unwrap();
    session.driver.send_pong(vec![2; 125]).unwrap();
    assert_eq!(session.frames(), [ServerFrame::new(9, [1; 125]), ServerFrame::pong([2; 125])]);
}

#[test]
fn pongs_are_ordered_between_the_messages_around_them() {
    let mut session = Session::open(Version::Hybi13);
    session.driver.send("before").unwrap();
    session.feed(Frame::ping("1").bytes());
    session.driver.send("behind").unwrap();
    let order = [ServerFrame::text("before"), ServerFrame::pong("1"), ServerFrame::text("behind")];
    assert_eq!(session.frames(), order);
}

#[test]
fn pings_and_pongs_overtake_much_queued_output() {
    // In the first buffer, as separate segments, and in the buffer after them.
    let lens = [100, 40_000, 100, 100_000, 100, 30_000];
    let sizes = lens.map(|len| {
        if len > 65_535 {
            len + 10
        } else if len > 125 {
            len + 4
        } else {
            len + 2
        }
    });
    let sent = lens.map(|len| ServerFrame::new(2, vec![7; len]));
    for written in [0, 1, 2, 50, 101, 102, 103, 105, 106, 20_000, 40_106, 40_107, 60_000, 140_000, 140_309] {
        let mut session = Session::open(Version::Hybi13);
        sent.iter().for_each(|frame| session.driver.send(frame.payload.clone()).unwrap());
        let mut bytes = session.driver.output().copy_to_bytes(written).to_vec();
        session.feed(Frame::ping("theirs").bytes());
        assert!(session.driver.output().has_remaining());
        session.driver.send_ping("ours").unwrap();
        session.driver.send_ping("and again").unwrap();
        bytes.extend(session.written());
        let begun = (0..).find(|&count| sizes[..count].iter().sum::<usize>() >= written).unwrap();
        let controls = [ServerFrame::pong("theirs"), ServerFrame::new(9, "ours"), ServerFrame::new(9, "and again")];
        let expected = [&sent[..begun], &controls, &sent[begun..]].concat();
        let frames = server_frames(&bytes);
        let kinds =
            |frames: &[ServerFrame]| frames.iter().map(|frame| (frame.opcode, frame.payload.len())).collect::<Vec<_>>();
        assert_eq!(kinds(&frames), kinds(&expected), "with {written} bytes written");
        assert!(frames == expected, "not behind {begun} of the frames, with {written} bytes written");
    }
}

#[test]
fn close_follows_everything_sent_before_it() {
    let mut session = Session::open(Version::Hybi13);
    session.driver.send(vec![7; 100_000]).unwrap();
    session.driver.start_close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(session.frames(), [ServerFrame::new(2, vec![7; 100_000]), ServerFrame::close(1000, "")]);
}

#[test]
fn ping_flood_does_not_grow_the_output_and_the_latest_is_answered() {
    let mut session = Session::open(Version::Hybi13);
    for i in 0..20_000u32 {
        session.feed(Frame::ping(format!("{i:0125}")).bytes());
        assert!(session.driver.output().remaining() < 17 * 1024);
    }
    let pongs = session.frames();
    assert_eq!(pongs.last(), Some(&ServerFrame::pong(format!("{:0125}", 19_999))));
    assert!(pongs.iter().all(|frame| frame.opcode == 10) && pongs.len() > 100);
}

#[test]
fn ping_flood_in_one_read_is_reported_completely_and_answered_sparingly() {
    let mut session = Session::open(Version::Hybi13);
    let flood = frames((0..10_000u32).map(|i| Frame::ping(i.to_be_bytes())));
    assert_eq!(session.feed(flood).len(), 10_000);
    assert!(session.driver.output().remaining() < 17 * 1024);
    assert_eq!(session.frames().last(), Some(&ServerFrame::pong(9_999u32.to_be_bytes())));
}

#[test]
fn waiting_ping_is_not_answered_after_a_later_one() {
    let mut session = Session::open(Version::Hybi13);
    session.driver.send(vec![0; 100_000]).unwrap();
    session.feed(Frame::ping("1").bytes());
    // Everything is written in one go, without querying the output again.
    let output = session.driver.output();
    output.advance(output.remaining());
    session.feed(Frame::ping("2").bytes());
    let pongs = session.frames();
    assert_eq!(pongs.last(), Some(&ServerFrame::pong("2")), "{pongs:?}");
}

#[test]
fn pong_is_not_starved_by_constant_output() {
    let mut session = Session::open_with(Version::Hybi13, Config::server().max_output(256 * 1024));
    let mut written = Vec::new();
    let mut pinged = false;
    for _ in 0..100 {
        while session.driver.send(vec![0; 8 * 1024]).is_ok() {}
        if !pinged {
            session.feed(Frame::ping("alive?").bytes());
            pinged = true;
        }
        // The transport accepts only a limited number of bytes at a time.
        let output = session.driver.output();
        written.extend(output.copy_to_bytes(output.remaining().min(64 * 1024)));
    }
    // 6 MiB were written since the ping was received. The last frame may be incomplete.
    let whole = written.windows(8).any(|bytes| bytes == b"\x8a\x06alive?");
    assert!(whole, "no pong in {} bytes", written.len());
}

#[test]
fn unanswered_pings_hold_nothing_once_they_are_written() {
    let mut session = Session::open(Version::Hybi13);
    for _ in 0..10_000 {
        session.driver.send_ping("are you there").unwrap();
        session.written();
    }
    assert!(!session.driver.output().has_remaining());
    assert!(session.driver.input().is_empty());
    session.driver.send_ping("").unwrap();
    assert_eq!(server_frames(&session.written()), [ServerFrame::new(9, "")]);
}
