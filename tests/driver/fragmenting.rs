//! Messages that are sent in fragments.

use websocket_driver::{CloseCode, CompletedHandshake, Config, Driver, MessageKind, ReplyBuffer, SendError, Version};
use websocket_tests::accept;
use websocket_tests::wire::{Frame, Handshake, VERSIONS, read_frame};

use crate::session::Session;

fn open() -> Session {
    Session::open(Version::Hybi13)
}

/// The frames that were written, as opcode, final bit and payload.
fn sent(session: &mut Session) -> Vec<(u8, bool, Vec<u8>)> {
    let (written, mut all) = (session.written(), Vec::new());
    let mut rest = &written[..];
    while !rest.is_empty() {
        let (header, payload, behind) = read_frame(rest).expect("a whole frame");
        assert!(header.key.is_none() && header.is_minimal(), "{header:?}");
        all.push((header.first & 0x7f, header.first & 0x80 != 0, payload.to_vec()));
        rest = behind;
    }
    all
}

fn frame(opcode: u8, is_final: bool, payload: impl AsRef<[u8]>) -> (u8, bool, Vec<u8>) {
    (opcode, is_final, payload.as_ref().to_vec())
}

#[test]
fn fragments_are_frames_of_one_message() {
    for (kind, opcode) in [(MessageKind::Text, 1), (MessageKind::Binary, 2)] {
        let mut session = open();
        let driver = &mut session.driver;
        let long = "x".repeat(70_000);
        driver.start_message(kind).unwrap();
        assert!(driver.has_unfinished_message());
        for piece in ["one", "", "two", &long] {
            driver.send_fragment(piece.to_owned()).unwrap();
        }
        driver.flush_message().unwrap();
        driver.finish_message("end").unwrap();
        assert!(!driver.has_unfinished_message());
        driver.send("next").unwrap();
        assert_eq!(
            sent(&mut session),
            [
                frame(opcode, false, "one"),
                frame(0, false, "two"),
                frame(0, false, long),
                frame(0, true, "end"),
                frame(1, true, "next"),
            ]
        );
    }
}

#[test]
fn message_of_one_fragment_is_one_frame() {
    let mut session = open();
    for payload in ["", "alone"] {
        session.driver.start_message(MessageKind::Text).unwrap();
        session.driver.finish_message(payload).unwrap();
        assert_eq!(sent(&mut session), [frame(1, true, payload)]);
    }
}

#[test]
fn control_frames_and_close_go_between_fragments() {
    let mut session = open();
    session.driver.start_message(MessageKind::Binary).unwrap();
    session.driver.send_fragment("a").unwrap();
    session.driver.send_ping("mine").unwrap();
    session.feed(Frame::ping("yours").bytes());
    session.driver.send_fragment("b").unwrap();
    session.driver.start_close(CloseCode::GOING_AWAY, "").unwrap();
    assert_eq!(session.driver.send_fragment("c"), Err(SendError::Closed));
    assert_eq!(session.driver.finish_message("c"), Err(SendError::Closed));
    assert_eq!(session.driver.start_message(MessageKind::Text), Err(SendError::Closed));
    assert_eq!(
        sent(&mut session),
        [
            frame(2, false, "a"),
            frame(9, true, "mine"),
            frame(10, true, "yours"),
            frame(0, false, "b"),
            frame(8, true, 1001u16.to_be_bytes()),
        ]
    );
}

#[test]
fn other_messages_are_refused_or_kept_until_the_message_is_finished() {
    let mut session = open();
    let mut replies = ReplyBuffer::default();
    session.driver.begin_replies(&mut replies);
    replies.send("framed reply").unwrap();
    session.driver.start_message(MessageKind::Text).unwrap();
    session.driver.send_fragment("first").unwrap();
    let driver = &mut session.driver;
    assert_eq!(driver.send("x"), Err(SendError::MessageUnfinished));
    assert_eq!(driver.send_prepared(&"x".into()), Err(SendError::MessageUnfinished));
    assert_eq!(driver.send_borrowed("x"), Err(SendError::MessageUnfinished));
    assert!(!driver.send_short(&"x".into()));
    assert_eq!(driver.start_message(MessageKind::Text), Err(SendError::MessageUnfinished));
    // Promised room before.
    driver.send_over_limit("promised").unwrap();
    driver.commit(&mut replies).unwrap();
    driver.begin_replies(&mut replies);
    replies.send("later reply").unwrap();
    replies.send_prepared(&"prepared reply".into()).unwrap();
    replies.start_close(CloseCode::NORMAL, "").unwrap();
    driver.commit(&mut replies).unwrap();
    driver.send_fragment("second").unwrap();
    assert_eq!(sent(&mut session), [frame(1, false, "first"), frame(0, false, "second")]);
    session.driver.finish_message("last").unwrap();
    assert_eq!(
        sent(&mut session),
        [
            frame(0, true, "last"),
            frame(1, true, "framed reply"),
            frame(1, true, "promised"),
            frame(1, true, "later reply"),
            frame(1, true, "prepared reply"),
            frame(8, true, 1000u16.to_be_bytes()),
        ]
    );
}

#[test]
fn text_fragments_are_checked_across_their_borders() {
    let mut session = open();
    session.driver.start_message(MessageKind::Text).unwrap();
    session.driver.send_fragment(&b"a\xe2\x82"[..]).unwrap();
    assert_eq!(session.driver.finish_message(""), Err(SendError::InvalidUtf8));
    assert_eq!(session.driver.send_fragment("no continuation"), Err(SendError::InvalidUtf8));
    // Nothing of what was refused was sent.
    session.driver.finish_message(&b"\xac"[..]).unwrap();
    assert_eq!(sent(&mut session), [frame(1, false, b"a\xe2\x82"), frame(0, true, b"\xac")]);
}

#[test]
fn fragments_are_refused_without_room_and_a_message() {
    let mut session = Session::open_with(Version::Hybi13, Config::server().max_output(10));
    assert_eq!(session.driver.send_fragment("x"), Err(SendError::MessageNotStarted));
    assert_eq!(session.driver.finish_message("x"), Err(SendError::MessageNotStarted));
    session.driver.start_message(MessageKind::Binary).unwrap();
    session.driver.send_fragment(vec![7; 10]).unwrap();
    assert_eq!(session.driver.send_fragment(vec![7; 10]), Err(SendError::OutputFull));
    // So that a message can always be finished.
    session.driver.finish_message("").unwrap();
    assert_eq!(sent(&mut session), [frame(2, false, [7; 10]), frame(0, true, "")]);
}

#[test]
fn fragments_are_refused_before_the_handshake_and_in_drafts_without_them() {
    let mut session = Session::reading(Config::server());
    assert_eq!(session.driver.start_message(MessageKind::Text), Err(SendError::NotOpen));
    assert_eq!(session.driver.send_fragment("x"), Err(SendError::NotOpen));
    for version in VERSIONS {
        let (_, mut driver) = accept(&Handshake::of(version).request(), Config::server().allow_drafts(true)).unwrap();
        driver.receive(&Handshake::of(version).body[..]);
        while driver.poll_event().is_some() {}
        let started = driver.start_message(MessageKind::Text);
        if version.is_hixie() {
            assert_eq!(started, Err(SendError::NotSupported { version: version.as_str() }));
        } else {
            assert_eq!(started, Ok(()), "{version}");
        }
    }
}

#[test]
fn client_masks_each_fragment() {
    let config = Config::client().random(|bytes| bytes.fill(1));
    let mut driver = Driver::after_handshake(CompletedHandshake::new(), config);
    driver.poll_event();
    driver.start_message(MessageKind::Binary).unwrap();
    driver.send_fragment("ab").unwrap();
    driver.finish_message("c").unwrap();
    let expected = b"\x02\x82\x01\x01\x01\x01\x60\x63\x80\x81\x01\x01\x01\x01\x62";
    assert_eq!(bytes::Buf::copy_to_bytes(driver.output(), expected.len()), &expected[..]);
}
