//! Ends of the transport and timeouts as causes.

use std::io::ErrorKind;

use websocket_driver::{CloseCause, Config, Timeout, TransportEnd, Version};
use websocket_tests::wire::{Frame, VERSIONS, hixie_text};

use super::{cause, frame};
use crate::session::{Session, closed, text};

#[test]
fn transport_end_is_the_cause_without_a_close() {
    for version in VERSIONS {
        for end in [
            TransportEnd::Ended,
            TransportEnd::Reset,
            TransportEnd::Truncated,
            TransportEnd::Failed(ErrorKind::Other),
            TransportEnd::TimedOut(Timeout::Pong),
            TransportEnd::TimedOut(Timeout::Close),
            TransportEnd::Dropped,
            TransportEnd::Cut,
        ] {
            let mut session = Session::open(version);
            let sent = if version.is_hixie() { hixie_text("before") } else { Frame::text("before").bytes() };
            session.driver.receive(&sent[..]);
            session.driver.receive_end(end);
            // Only the first end counts.
            session.driver.receive_end(TransportEnd::Failed(ErrorKind::WouldBlock));
            let is_close = version == Version::Hixie75 && end == TransportEnd::Ended;
            let code = if is_close { 1005 } else { 1006 };
            assert_eq!(session.events(), [text("before"), closed(code, "")], "{version}, {end:?}");
            let expected = if is_close { CloseCause::Remote(frame(1005, "")) } else { end.into() };
            assert_eq!(*cause(&session), expected, "{version}");
            assert_eq!(session.written(), [], "{version}");
        }
    }
}

#[test]
fn end_within_a_frame_is_not_a_close_of_hixie_75() {
    let mut session = Session::open(Version::Hixie75);
    session.feed(b"\x00half");
    assert_eq!(session.eof(), [closed(1006, "")]);
    assert_eq!(*cause(&session), CloseCause::Ended);
}

#[test]
fn transport_error_is_reported_by_kind() {
    for (kind, expected) in [
        (ErrorKind::ConnectionReset, CloseCause::Reset),
        (ErrorKind::ConnectionAborted, CloseCause::Reset),
        (ErrorKind::BrokenPipe, CloseCause::Reset),
        (ErrorKind::UnexpectedEof, CloseCause::Truncated),
        (ErrorKind::TimedOut, CloseCause::Failed(ErrorKind::TimedOut)),
        (ErrorKind::WriteZero, CloseCause::Failed(ErrorKind::WriteZero)),
    ] {
        assert_eq!(CloseCause::from(TransportEnd::from(kind)), expected);
    }
}

#[test]
fn failed_write_does_not_end_receiving() {
    for version in VERSIONS {
        let mut session = Session::open(version);
        session.driver.receive_write_end(TransportEnd::Reset);
        assert_eq!(session.events(), [], "{version}");
        let more = if version.is_hixie() { hixie_text("more") } else { Frame::text("more").bytes() };
        assert_eq!(session.feed(more), [text("more")], "{version}");
        if version.is_hixie() {
            continue;
        }
        assert_eq!(session.feed(Frame::close(1001, "").bytes()), [closed(1001, "")], "{version}");
        assert_eq!(*cause(&session), CloseCause::Remote(frame(1001, "")), "{version}");
    }
}

#[test]
fn idle_timeout_is_the_cause_whether_the_peer_answers_or_not() {
    for version in VERSIONS {
        for end in [Timeout::Idle, Timeout::Close] {
            let mut session = Session::open(version);
            session.driver.expire(Timeout::Idle);
            assert_eq!(*cause(&session), CloseCause::Timeout(Timeout::Idle), "{version}");
            if !version.is_hixie() {
                assert_eq!(session.frames()[0].close_code(), Some(1001));
            }
            match end {
                Timeout::Idle => session.driver.receive_eof(),
                _ => session.driver.expire(end),
            }
            session.events();
            assert!(session.driver.is_closed());
            assert_eq!(*cause(&session), CloseCause::Timeout(Timeout::Idle), "{version}");
        }
    }
}

#[test]
fn handshake_timeout_is_the_cause() {
    let mut session = Session::reading(Config::server());
    session.feed(b"GET / HTTP/1.1\r\nHost: ex");
    session.driver.expire(Timeout::Handshake);
    session.events();
    assert!(session.driver.is_closed());
    assert_eq!(*cause(&session), CloseCause::Timeout(Timeout::Handshake));
}
