//! RFC 6455 §5.5.1, §7: closing by either side or neither.

use bytes::Buf;
use websocket_driver::{CloseCode, Event, ProtocolError, ReadyState, SendError, Version};
use websocket_tests::wire::{Frame, HYBI, ServerFrame, frames};

use crate::session::{Session, closed, failed, ping, text};

/// RFC 6455 §7.4 and the codes registered since.
fn is_legal(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[test]
fn valid_code_is_answered_with_itself_and_any_other_with_1002() {
    for code in (0..=5005).chain([0x7fff, 0x8000, 0xffff]) {
        let mut session = Session::open(Version::Hybi13);
        let events = session.feed(Frame::close(code, "so long").bytes());
        if is_legal(code) {
            assert_eq!(events, [closed(code, "so long")]);
            assert_eq!(session.frames(), [ServerFrame::close(code, "")]);
        } else {
            session.assert_failed(&events, ProtocolError::InvalidCloseCode(code.into()), 1002);
        }
    }
}

#[test]
fn application_can_only_send_valid_codes() {
    for code in (0..=5005).chain([0xffff]).filter(|&code| code != 1005) {
        let mut session = Session::open(Version::Hybi13);
        let result = session.driver.start_close(code.into(), "so long");
        if is_legal(code) {
            assert_eq!(result, Ok(()));
            assert_eq!(session.frames(), [ServerFrame::close(code, "so long")]);
            assert_eq!(session.driver.ready_state(), ReadyState::Closing);
        } else {
            assert_eq!(result, Err(SendError::InvalidCloseCode(code.into())));
            assert_eq!(session.driver.ready_state(), ReadyState::Open);
            assert_eq!(session.written(), []);
        }
    }
}

#[test]
fn empty_close_is_answered_with_an_empty_one_and_reported_as_1005() {
    for version in HYBI {
        let mut session = Session::open(version);
        assert_eq!(session.feed(Frame::new(8, "").bytes()), [closed(1005, "")]);
        assert_eq!(session.frames(), [ServerFrame::new(8, "")]);
        assert_eq!(session.driver.close_frame().map(|frame| frame.code), Some(CloseCode::NO_STATUS));
    }
}

#[test]
fn local_close_without_a_code_is_empty() {
    let mut session = Session::open(Version::Hybi13);
    let error = session.driver.start_close(CloseCode::NO_STATUS, "a reason needs a code");
    assert_eq!(error, Err(SendError::InvalidCloseCode(CloseCode::NO_STATUS)));
    session.driver.start_close(CloseCode::NO_STATUS, "").unwrap();
    assert_eq!(session.frames(), [ServerFrame::new(8, "")]);
}

#[test]
fn malformed_close_is_refused() {
    let long = [b"\x03\xe8", &[b'x'; 124][..]].concat();
    for (frame, error, code) in [
        (Frame::new(8, "x"), ProtocolError::TruncatedCloseCode, 1002),
        (Frame::close(1000, b"\xff"), ProtocolError::InvalidCloseReason, 1007),
        (Frame::close(1000, b"cut \xe2\x82"), ProtocolError::InvalidCloseReason, 1007),
        (Frame::close(1000, b"\xed\xa0\x80"), ProtocolError::InvalidCloseReason, 1007),
        (Frame::close(1000, "split").more(), ProtocolError::FragmentedControl, 1002),
        (Frame::new(8, long), ProtocolError::ControlTooLong, 1002),
    ] {
        let mut session = Session::open(Version::Hybi13);
        let events = session.feed(frame.bytes());
        session.assert_failed(&events, error, code);
    }
}

#[test]
fn reason_may_have_123_bytes_of_any_language() {
    let reason = "€".repeat(41);
    let mut session = Session::open(Version::Hybi13);
    assert_eq!(session.feed(Frame::close(3000, &reason).bytes()), [closed(3000, &reason)]);
    let mut session = Session::open(Version::Hybi13);
    assert_eq!(session.driver.start_close(CloseCode::NORMAL, &format!("{reason}x")), Err(SendError::ReasonTooLong));
    session.driver.start_close(CloseCode::NORMAL, &reason).unwrap();
    assert_eq!(session.frames(), [ServerFrame::close(1000, &reason)]);
}

#[test]
fn input_after_a_close_is_discarded() {
    let mut session = Session::open(Version::Hybi13);
    let sent = frames([Frame::text("one"), Frame::close(1001, ""), Frame::text("two"), Frame::ping("three")]);
    assert_eq!(session.feed(sent), [text("one"), closed(1001, "")]);
    assert_eq!(session.feed(frames([Frame::text("four"), Frame::close(1000, "")])), []);
    assert_eq!(session.feed(b"no frame at all"), []);
    assert_eq!(session.eof(), []);
    assert!(session.driver.input().is_empty());
    assert_eq!(session.frames(), [ServerFrame::close(1001, "")]);
    assert_eq!(session.driver.send("five"), Err(SendError::Closed));
    assert_eq!(session.driver.send_ping("six"), Err(SendError::Closed));
    assert_eq!(session.driver.start_close(CloseCode::NORMAL, ""), Ok(()));
    assert_eq!(session.written(), []);
    assert_eq!(session.events(), []);
}

#[test]
fn close_within_a_message_is_accepted() {
    let mut session = Session::open(Version::Hybi13);
    let sent = frames([Frame::text("never ended").more(), Frame::close(1000, "")]);
    assert_eq!(session.feed(sent), [closed(1000, "")]);
    assert_eq!(session.frames(), [ServerFrame::close(1000, "")]);
}

#[test]
fn local_close_waits_for_its_answer_and_receives_messages_in_flight() {
    let mut session = Session::open(Version::Hybi13);
    session.driver.start_close(CloseCode::GOING_AWAY, "restart").unwrap();
    assert_eq!(session.events(), []);
    assert_eq!(session.driver.ready_state(), ReadyState::Closing);
    assert!(!session.driver.is_closed());
    assert_eq!(session.feed(frames([Frame::text("under way"), Frame::pong("")])).len(), 2);
    let answer = frames([Frame::text("last"), Frame::close(1001, "as you say"), Frame::text("late")]);
    assert_eq!(session.feed(answer), [text("last"), closed(1001, "as you say")]);
    assert!(session.driver.is_closed());
    // The answer to our close frame is not answered.
    assert_eq!(session.frames(), [ServerFrame::close(1001, "restart")]);
}

#[test]
fn data_after_a_local_close_is_refused() {
    let mut session = Session::open(Version::Hybi13);
    session.driver.send("before").unwrap();
    session.driver.start_close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(session.driver.send(&b"behind"[..]), Err(SendError::Closed));
    assert_eq!(session.driver.send("behind"), Err(SendError::Closed));
    assert_eq!(session.driver.send_ping("behind"), Err(SendError::Closed));
    assert_eq!(session.driver.send_pong("behind"), Err(SendError::Closed));
    assert_eq!(session.driver.start_close(CloseCode::GOING_AWAY, "second"), Ok(()));
    assert_eq!(session.frames(), [ServerFrame::text("before"), ServerFrame::close(1000, "")]);
}

#[test]
fn ping_during_a_local_close_is_reported_and_not_answered() {
    let mut session = Session::open(Version::Hybi13);
    session.driver.start_close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(session.feed(Frame::ping("late").bytes()), [ping("late")]);
    assert_eq!(session.frames(), [ServerFrame::close(1000, "")]);
}

#[test]
fn pong_waiting_for_room_is_not_written_after_a_close() {
    for ours in [true, false] {
        let mut session = Session::open(Version::Hybi13);
        session.driver.send(vec![0; 100_000]).unwrap();
        session.feed(Frame::ping("held").bytes());
        if ours {
            session.driver.start_close(CloseCode::NORMAL, "").unwrap();
        } else {
            session.feed(Frame::close(1000, "").bytes());
        }
        let frames = session.frames();
        assert_eq!(frames[1..], [ServerFrame::close(1000, "")], "ours: {ours}");
    }
}

#[test]
fn violation_while_closing_ends_without_a_second_close() {
    let mut session = Session::open(Version::Hybi13);
    session.driver.start_close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(session.feed([0xf1]), failed(ProtocolError::ReservedBits, 1002));
    assert_eq!(session.frames(), [ServerFrame::close(1000, "")]);
}

#[test]
fn end_without_a_close_is_1006() {
    let transcript = frames([Frame::text("whole"), Frame::text("a fragment").more(), Frame::binary("x")]);
    for cut in 0..Frame::text("whole").bytes().len() + Frame::text("a fragment").bytes().len() {
        for ours in [false, true] {
            let mut session = Session::open(Version::Hybi13);
            if ours {
                session.driver.start_close(CloseCode::NORMAL, "").unwrap();
                session.written();
            }
            session.driver.receive(&transcript[..cut]);
            let events = session.eof();
            assert_eq!(events.last(), Some(&closed(1006, "")), "{cut}");
            assert_eq!(events.contains(&text("whole")), cut >= 11, "complete messages come first: {cut}");
            assert_eq!(session.written(), [], "nobody is there to read a close");
            assert!(session.driver.is_closed());
            assert_eq!(session.eof(), []);
        }
    }
}

#[test]
fn close_received_before_the_end_counts() {
    let mut session = Session::open(Version::Hybi13);
    session.driver.receive(&frames([Frame::text("one"), Frame::close(1000, "done")])[..]);
    assert_eq!(session.eof(), [text("one"), closed(1000, "done")]);
    assert!(session.driver.output().has_remaining());
}

#[test]
fn events_are_returned_once_and_close_is_the_last() {
    let mut session = Session::open(Version::Hybi13);
    assert_eq!(session.driver.close_frame(), None);
    let events = session.feed(frames([Frame::close(1000, "a"), Frame::close(1001, "b")]));
    assert_eq!(events, [closed(1000, "a")]);
    assert_eq!(session.driver.close_frame().cloned().map(Event::Close), Some(closed(1000, "a")));
    assert_eq!(session.events(), []);
}
