//! Messages sent before the handshake is complete are written in order once it is.

use bytes::Buf;
use websocket_driver::{CloseCause, CloseCode, CloseFrame, Config, Driver, Event, SendError, Version};
use websocket_tests::accept;
use websocket_tests::wire::{
    Answer, Frame, HIXIE76_CLOSE, HIXIE76_DIGEST, HYBI, Handshake, ServerFrame, VERSIONS, hixie_text, server_frames,
};

use crate::session::{Session, closed, text};

type Send = fn(&mut Driver) -> Result<(), SendError>;

fn reading() -> Session {
    Session::reading(Config::server().allow_drafts(true))
}

/// Returns the output after the head of the response.
fn behind_the_head(session: &mut Session) -> Vec<u8> {
    let written = session.written();
    let (_, length) = Answer::read(&written).expect("the head of an answer");
    written[length..].to_vec()
}

#[test]
fn messages_sent_early_are_written_in_order() {
    let expected = [
        ServerFrame::text("1"),
        ServerFrame::new(9, "2"),
        ServerFrame::new(2, "3"),
        ServerFrame::pong("4"),
        ServerFrame::text("5"),
    ];
    for version in HYBI {
        let mut session = reading();
        session.driver.send("1").unwrap();
        session.driver.send_ping("2").unwrap();
        session.driver.receive(&Handshake::of(version).head()[..]);
        assert_eq!(session.driver.poll_event(), Some(Event::Connect));
        session.driver.send(&b"3"[..]).unwrap();
        session.driver.send_pong("4").unwrap();
        assert!(!session.driver.output().has_remaining(), "nothing before the answer");
        session.driver.start().unwrap();
        session.driver.send("5").unwrap();
        assert_eq!(session.events(), [Event::Open]);
        assert_eq!(server_frames(&behind_the_head(&mut session)), expected);
    }
}

#[test]
fn messages_sent_early_are_written_in_order_for_accepted_requests() {
    for version in VERSIONS {
        let handshake = Handshake::of(version);
        let (_, mut driver) = accept(&handshake.request(), Config::server().allow_drafts(true)).unwrap();
        driver.send("1").unwrap();
        driver.send("2").unwrap();
        let mut session = Session { driver };
        assert_eq!(session.feed(&handshake.body), [Event::Open]);
        let written = session.written();
        match version {
            Version::Hixie76 => assert_eq!(written, [&HIXIE76_DIGEST[..], &hixie_text("1"), &hixie_text("2")].concat()),
            Version::Hixie75 => assert_eq!(written, [hixie_text("1"), hixie_text("2")].concat()),
            _ => assert_eq!(server_frames(&written), [ServerFrame::text("1"), ServerFrame::text("2")]),
        }
    }
}

#[test]
fn messages_that_hixie_does_not_support_are_refused_once_the_version_is_known() {
    for version in [Version::Hixie76, Version::Hixie75] {
        let handshake = Handshake::of(version);
        let (_, mut driver) = accept(&handshake.request(), Config::server().allow_drafts(true)).unwrap();
        let error = Err(SendError::NotSupported { version: version.as_str() });
        assert_eq!(
            (driver.send(&b"x"[..]), driver.send_ping("x"), driver.send_pong("x")),
            (error.clone(), error.clone(), error.clone())
        );

        let mut session = reading();
        session.driver.receive(&handshake.head()[..]);
        assert_eq!(session.driver.poll_event(), Some(Event::Connect));
        assert_eq!(session.driver.send(&b"x"[..]), error);
    }
}

#[test]
fn queued_message_that_hixie_does_not_support_ends_the_connection() {
    for version in [Version::Hixie76, Version::Hixie75] {
        let queue: [Send; 3] =
            [|driver| driver.send(&b"x"[..]), |driver| driver.send_ping("x"), |driver| driver.send_pong("x")];
        for send in queue {
            let mut session = reading();
            session.driver.send("first").unwrap();
            send(&mut session.driver).unwrap();
            session.driver.send("never").unwrap();
            let events = session.feed([Handshake::of(version).bytes(), hixie_text("discarded")].concat());
            assert_eq!(events[..2], [Event::Connect, Event::Open]);
            // It is a mistake of this side, so no error of the peer is reported.
            let reason = format!("{version} supports only text messages in one frame");
            let close = CloseFrame { code: CloseCode::UNSUPPORTED_DATA, reason: reason.as_str().into() };
            assert_eq!(events[2..], [Event::Close(close.clone())]);
            assert_eq!(session.driver.close_cause(), Some(&CloseCause::Local(close)));
            let written = behind_the_head(&mut session);
            let expected: &[&[u8]] = match version {
                Version::Hixie76 => &[&HIXIE76_DIGEST, &hixie_text("first"), &HIXIE76_CLOSE],
                _ => &[&hixie_text("first")],
            };
            assert_eq!(written, expected.concat());
        }
    }
}

#[test]
fn early_control_frames_are_checked_at_once() {
    let mut driver = Driver::server(Config::server());
    assert_eq!(driver.send_ping(vec![0; 126]), Err(SendError::ControlTooLong));
    assert_eq!(driver.send_pong(vec![0; 126]), Err(SendError::ControlTooLong));
    driver.send_ping(vec![0; 125]).unwrap();
}

#[test]
fn refused_handshake_drops_queued_messages() {
    let mut session = reading();
    session.driver.send("secret").unwrap();
    assert_eq!(session.feed(Handshake::hybi("99").bytes()).len(), 3);
    let written = session.written();
    assert!(written.starts_with(b"HTTP/1.1 426 ") && !written.windows(6).any(|bytes| bytes == b"secret"));
    assert_eq!(session.driver.send("late"), Err(SendError::Closed));
}

#[test]
fn close_before_the_handshake_ends_it_with_nothing_written() {
    for version in VERSIONS {
        for stage in 0..3 {
            let handshake = Handshake::of(version);
            let mut session = reading();
            session.driver.send("queued").unwrap();
            if stage > 0 {
                session.driver.receive(&handshake.head()[..20]);
                assert_eq!(session.driver.poll_event(), None);
            }
            if stage > 1 {
                session.driver.receive(&handshake.head()[20..]);
                assert_eq!(session.driver.poll_event(), Some(Event::Connect));
            }
            session.driver.start_close(CloseCode::GOING_AWAY, "restart").unwrap();
            assert_eq!(session.events(), [closed(1001, "restart")]);
            assert!(session.driver.is_closed() && session.driver.start().is_err());
            assert_eq!(session.driver.send("late"), Err(SendError::Closed));
            assert_eq!((session.feed(handshake.bytes()), session.eof(), session.written()), (vec![], vec![], vec![]));
        }
    }
}

#[test]
fn close_right_after_the_response_follows_messages_sent_early() {
    for version in HYBI {
        let handshake = Handshake::of(version);
        let (_, mut driver) = accept(&handshake.request(), Config::server().allow_drafts(true)).unwrap();
        driver.send("early").unwrap();
        driver.start_close(CloseCode::NORMAL, "").unwrap();
        let mut session = Session { driver };
        let answer = [Frame::text("hi").bytes(), Frame::close(1000, "").bytes()].concat();
        assert_eq!(session.feed(answer), [Event::Open, text("hi"), closed(1000, "")]);
        assert_eq!(session.frames(), [ServerFrame::text("early"), ServerFrame::close(1000, "")]);
    }
}
