//! The reason why a connection ended: more precise than the close frame, and always the first
//! event.

mod closes;
mod ends;
mod limits;
mod violations;

use std::io::ErrorKind;

use websocket_driver::{CloseCause, CloseCode, CloseFrame, Limit, LimitExceeded, ProtocolError as E, Timeout};
use websocket_tests::wire::VERSIONS;

use crate::session::Session;

fn frame(code: u16, reason: &str) -> CloseFrame {
    CloseFrame { code: code.into(), reason: reason.into() }
}

fn cause(session: &Session) -> &CloseCause {
    session.driver.close_cause().expect("it is over")
}

/// Returns the cause for an exceeded limit.
fn limit(limit: Limit, max: u64, size: u64) -> CloseCause {
    CloseCause::Limit(LimitExceeded { limit, max, size })
}

#[test]
fn open_connection_has_no_cause() {
    for version in VERSIONS {
        assert_eq!(Session::open(version).driver.close_cause(), None, "{version}");
    }
}

#[test]
fn close_code_of_cause_is_that_of_close_frame() {
    let limits = [
        (Limit::FrameSize, 1009),
        (Limit::MessageSize, 1009),
        (Limit::Fragments, 1009),
        (Limit::Memory, 1009),
        (Limit::FrameRate, 1008),
        (Limit::ControlRate, 1008),
        (Limit::HeadSize, 1002),
        (Limit::Headers, 1002),
    ];
    let limits = limits.map(|(bound, code)| (limit(bound, 1, 2), code));
    let others = [
        (CloseCause::Local(frame(4000, "bye")), 4000),
        (CloseCause::Remote(frame(1005, "")), 1005),
        (CloseCause::Protocol(E::InvalidUtf8), 1007),
        (CloseCause::Protocol(E::MaskedFrame), 1002),
        (CloseCause::Timeout(Timeout::Idle), 1001),
        (CloseCause::Timeout(Timeout::Pong), 1006),
        (CloseCause::Ended, 1006),
        (CloseCause::Reset, 1006),
        (CloseCause::Truncated, 1006),
        (CloseCause::Failed(ErrorKind::TimedOut), 1006),
        (CloseCause::Dropped, 1006),
        (CloseCause::Cut, 1006),
    ];
    for (cause, code) in limits.into_iter().chain(others) {
        assert_eq!(cause.close_code(), CloseCode::from(code), "{cause:?}");
    }
}

#[test]
fn each_cause_has_a_unique_kind() {
    let exceeded = LimitExceeded { limit: Limit::Memory, max: 1, size: 2 };
    let causes = [
        (CloseCause::Local(frame(1000, "")), "local"),
        (CloseCause::Remote(frame(1000, "")), "remote"),
        (CloseCause::Protocol(E::InvalidUtf8), "protocol"),
        (CloseCause::Limit(exceeded), "limit"),
        (CloseCause::Timeout(Timeout::Idle), "timeout"),
        (CloseCause::Ended, "ended"),
        (CloseCause::Reset, "reset"),
        (CloseCause::Truncated, "truncated"),
        (CloseCause::Failed(ErrorKind::Other), "failed"),
        (CloseCause::Dropped, "dropped"),
        (CloseCause::Cut, "cut"),
    ];
    for (cause, kind) in &causes {
        assert_eq!(cause.kind(), *kind);
        // A line for a log, unique for each cause.
        let line = cause.to_string();
        assert!(!line.is_empty() && !line.contains('\n'));
        assert_eq!(causes.iter().filter(|(other, _)| other.to_string() == line).count(), 1, "{line}");
    }
    let timeouts =
        [Timeout::Handshake, Timeout::Idle, Timeout::Pong, Timeout::Close].map(|timeout| timeout.to_string());
    assert!((1..4).all(|at| !timeouts[..at].contains(&timeouts[at])));
}
