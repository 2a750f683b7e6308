//! Closing handshakes as causes.

use websocket_driver::{CloseCause, CloseCode, Timeout, TransportEnd, Version};
use websocket_tests::wire::{Frame, HIXIE76_CLOSE, HYBI, VERSIONS};

use super::{cause, frame};
use crate::session::{Session, closed};

#[test]
fn local_close_is_the_cause_from_its_start() {
    let ours = CloseCause::Local(frame(4000, "bye"));
    for version in VERSIONS {
        for end in ["an answer", "a close of the peer's own", "the end of the transport", "a reset", "a violation"] {
            let mut session = Session::open(version);
            session.driver.start_close(4000.into(), "bye").unwrap();
            assert_eq!(*cause(&session), ours, "{version}");
            match (end, version.is_hixie()) {
                ("an answer", true) => drop(session.feed(HIXIE76_CLOSE)),
                ("an answer", false) => drop(session.feed(Frame::close(4000, "").bytes())),
                ("a close of the peer's own", false) => drop(session.feed(Frame::close(3000, "mine").bytes())),
                ("a reset", _) => session.driver.receive_end(TransportEnd::Reset),
                ("a violation", false) => drop(session.feed(Frame::text("").unmasked().bytes())),
                _ => session.driver.receive_eof(),
            }
            session.events();
            assert!(session.driver.is_closed(), "{version}, {end}");
            assert_eq!(*cause(&session), ours, "{version}, {end}");
        }
    }
}

#[test]
fn unanswered_local_close_is_not_the_cause_after_a_timeout() {
    for version in VERSIONS.into_iter().filter(|&version| version != Version::Hixie75) {
        for given_up in [TransportEnd::TimedOut(Timeout::Close), TransportEnd::Cut] {
            let mut session = Session::open(version);
            session.driver.start_close(CloseCode::NORMAL, "").unwrap();
            session.driver.receive_end(given_up);
            assert_eq!(session.events(), [closed(1006, "")], "{version}");
            assert_eq!(*cause(&session), given_up.into(), "{version}");
        }
    }
    // Hixie-75 has no close frame, so it does not wait for an answer.
    let mut session = Session::open(Version::Hixie75);
    session.driver.start_close(CloseCode::NORMAL, "").unwrap();
    session.driver.receive_end(TransportEnd::Cut);
    session.events();
    assert_eq!(*cause(&session), CloseCause::Local(frame(1000, "")));
}

#[test]
fn answer_before_the_timeout_counts() {
    for version in HYBI {
        let mut session = Session::open(version);
        session.driver.start_close(4000.into(), "bye").unwrap();
        session.driver.receive(&Frame::close(4000, "").bytes()[..]);
        session.driver.expire(Timeout::Close);
        assert_eq!(session.events(), [closed(4000, "")], "{version}");
        assert_eq!(*cause(&session), CloseCause::Local(frame(4000, "bye")), "{version}");
    }
}

#[test]
fn remote_close_is_reported_with_code_and_reason() {
    for version in HYBI {
        for (sent, expected) in [(Frame::close(4000, "bye"), frame(4000, "bye")), (Frame::new(8, ""), frame(1005, ""))]
        {
            let mut session = Session::open(version);
            session.feed(sent.bytes());
            assert_eq!(*cause(&session), CloseCause::Remote(expected), "{version}");
        }
    }
    let mut session = Session::open(Version::Hixie76);
    session.feed(HIXIE76_CLOSE);
    assert_eq!(*cause(&session), CloseCause::Remote(frame(1005, "")));
    // The regular way to close in hixie-75.
    let mut session = Session::open(Version::Hixie75);
    session.eof();
    assert_eq!(*cause(&session), CloseCause::Remote(frame(1005, "")));
}

#[test]
fn crossing_closes_count_as_local() {
    for version in HYBI {
        let mut session = Session::open(version);
        // Already received, but not parsed yet.
        session.driver.receive(&Frame::close(3000, "mine").bytes()[..]);
        session.driver.start_close(4000.into(), "bye").unwrap();
        assert_eq!(session.events(), [closed(3000, "mine")], "{version}");
        assert_eq!(*cause(&session), CloseCause::Local(frame(4000, "bye")), "{version}");
    }
}

#[test]
fn close_received_before_the_transport_failed_is_the_cause() {
    for version in VERSIONS {
        let close = match version {
            Version::Hixie75 => continue,
            Version::Hixie76 => HIXIE76_CLOSE.to_vec(),
            _ => Frame::close(4000, "bye").bytes(),
        };
        for end in
            [TransportEnd::Reset, TransportEnd::Truncated, TransportEnd::TimedOut(Timeout::Pong), TransportEnd::Cut]
        {
            let mut session = Session::open(version);
            session.driver.receive(&close[..]);
            session.driver.receive_end(end);
            session.events();
            let expected = if version.is_hixie() { frame(1005, "") } else { frame(4000, "bye") };
            assert_eq!(*cause(&session), CloseCause::Remote(expected), "{version}");
        }
    }
}
