//! The reason why a connection ended: more precise than the close frame, and always the first
//! event.

use std::io::ErrorKind;

use permessage_deflate::PermessageDeflate;
use websocket_driver::extensions::{ExtensionError, ExtensionFault};
use websocket_driver::{
    CloseCause, CloseCode, CloseFrame, Config, Driver, Event, Limit, LimitExceeded, ProtocolError as E, Timeout,
    TransportEnd, Version,
};
use websocket_tests::chain::chain;
use websocket_tests::wire::{Frame, HIXIE76_CLOSE, HYBI, Handshake, LengthForm, VERSIONS, frames, hixie_text};

use crate::session::{Session, closed, text};

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

#[test]
fn invalid_handshake_is_the_cause() {
    let mut session = Session::reading(Config::server());
    session.feed(Handshake::of(Version::Hybi13).without("Sec-WebSocket-Key").bytes());
    assert!(matches!(cause(&session), CloseCause::Protocol(E::Handshake(_))), "{:?}", cause(&session));
    let mut client = Driver::client(&"ws://example.com/".parse().unwrap(), Config::client()).unwrap();
    client.start().unwrap();
    client.receive(&b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"[..]);
    while client.poll_event().is_some() {}
    assert!(matches!(client.close_cause(), Some(CloseCause::Protocol(E::Response(_)))), "{:?}", client.close_cause());
}

/// Returns every protocol violation that a client can commit, with the section that it violates.
fn violations() -> Vec<(Vec<u8>, E, &'static str)> {
    let close = |bytes: &[u8]| Frame::new(8, bytes).bytes();
    vec![
        (Frame::text("").rsv(0x40).bytes(), E::ReservedBits, "RFC 6455 §5.2"),
        (Frame::new(3, "").bytes(), E::UnknownOpcode(3), "RFC 6455 §5.2"),
        (Frame::ping("").more().bytes(), E::FragmentedControl, "RFC 6455 §5.5"),
        (Frame::ping([0; 126]).bytes(), E::ControlTooLong, "RFC 6455 §5.5"),
        (Frame::text("").unmasked().bytes(), E::UnmaskedFrame, "RFC 6455 §5.1"),
        (Frame::text("x").length_form(LengthForm::Bits16).bytes(), E::LengthNotMinimal, "RFC 6455 §5.2"),
        (Frame::text("").announcing(1 << 63).bytes(), E::LengthTopBit, "RFC 6455 §5.2"),
        (Frame::continuation("").bytes(), E::UnexpectedContinuation, "RFC 6455 §5.4"),
        (frames([Frame::text("").more(), Frame::text("")]), E::ExpectedContinuation, "RFC 6455 §5.4"),
        (Frame::text(b"\xff").bytes(), E::InvalidUtf8, "RFC 6455 §8.1"),
        (close(b"\x03"), E::TruncatedCloseCode, "RFC 6455 §5.5.1"),
        (close(b"\x03\xed"), E::InvalidCloseCode(1005.into()), "RFC 6455 §7.4"),
        (close(b"\x03\xe8\xff"), E::InvalidCloseReason, "RFC 6455 §5.5.1"),
    ]
}

#[test]
fn violation_is_reported_with_its_section_after_earlier_messages() {
    for version in HYBI {
        for (bytes, error, section) in violations() {
            let mut session = Session::open(version);
            let events = session.feed([Frame::text("before").bytes(), bytes].concat());
            assert_eq!(events[..2], [text("before"), Event::Error(error.clone())], "{version}");
            assert_eq!(*cause(&session), CloseCause::Protocol(error.clone()), "{version}");
            assert_eq!(error.section(), Some(section), "{error}");
            assert_eq!(error.exceeded(), None, "{error}");
            assert!(cause(&session).to_string().contains(section), "{error}");
        }
    }
    let mut session = Session::open(Version::Hixie76);
    session.feed([&hixie_text("before")[..], &[0x80], &[0x80; 10]].concat());
    let error = E::LengthUnterminated;
    assert_eq!(*cause(&session), CloseCause::Protocol(error.clone()));
    assert_eq!(error.section(), Some("draft-hixie-76 §5.3"));
    assert!(chain(&error).contains("draft-hixie-76 §5.3"));
}

#[test]
fn violation_found_by_a_client_or_extension_has_a_section() {
    let not_utf8 = E::from(ExtensionError::new("permessage-deflate", ExtensionFault::InvalidUtf8));
    for (error, section) in [(E::MaskedFrame, "RFC 6455 §5.1"), (not_utf8, "RFC 6455 §8.1")] {
        assert_eq!(error.section(), Some(section), "{error}");
        assert!(chain(&error).contains(section), "{error}");
    }
    for error in [
        E::TooManyFragments { limit: 1 },
        E::from(ExtensionError::new("permessage-deflate", ExtensionFault::InvalidData("garbage"))),
    ] {
        assert_eq!(error.section(), None, "{error}");
    }
}

#[test]
fn exceeded_limit_is_reported_with_maximum_and_size() {
    let binary = |size| Frame::binary(vec![0; size]).bytes();
    let fragments = frames([Frame::text("").more(), Frame::continuation("").more(), Frame::continuation("")]);
    let message = frames([Frame::text([b'x'; 60]).more(), Frame::continuation([b'x'; 41])]);
    let texts = Frame::text("").bytes().repeat(4);
    let pings = Frame::ping("").bytes().repeat(4);
    let config = Config::server;
    for (config, bytes, expected, code) in [
        (config().max_frame_size(100), binary(101), limit(Limit::FrameSize, 100, 101), 1009),
        (config().max_frame_size(100), binary(70_000), limit(Limit::FrameSize, 100, 70_000), 1009),
        (config().max_message_size(100), message, limit(Limit::MessageSize, 100, 101), 1009),
        (config().max_fragments(2), fragments, limit(Limit::Fragments, 2, 3), 1009),
        (config().max_frame_rate(Some(3)), texts, limit(Limit::FrameRate, 3, 4), 1008),
        (config().max_control_rate(Some(3)), pings, limit(Limit::ControlRate, 3, 4), 1008),
    ] {
        let mut session = Session::open_with(Version::Hybi13, config);
        session.feed(bytes);
        assert_eq!(*cause(&session), expected);
        assert_eq!(session.frames().last().unwrap().close_code(), Some(code), "{expected}");
        assert_eq!(session.driver.close_frame().unwrap().code, code);
        let CloseCause::Limit(exceeded) = expected else { unreachable!() };
        assert!(exceeded.size > exceeded.max);
        for number in [exceeded.size, exceeded.max] {
            assert!(cause(&session).to_string().contains(&number.to_string()), "{}", cause(&session));
        }
    }
}

#[test]
fn exceeded_limit_of_hixie_is_reported_alike() {
    for version in [Version::Hixie75, Version::Hixie76] {
        let long = [&[0x00], &[b'x'; 101][..]].concat();
        for (config, bytes, expected) in [
            (Config::server().max_frame_size(100), &long[..], limit(Limit::FrameSize, 100, 101)),
            (Config::server().max_message_size(100), &long, limit(Limit::MessageSize, 100, 101)),
            // A frame that is skipped.
            (Config::server().max_frame_size(100), b"\x80\x81\x00", limit(Limit::FrameSize, 100, 128)),
            (Config::server().max_frame_rate(Some(2)), b"\x00\xff\x00\xff\x00", limit(Limit::FrameRate, 2, 3)),
        ] {
            let mut session = Session::open_with(version, config);
            session.feed(bytes);
            assert_eq!(*cause(&session), expected, "{version}");
        }
    }
}

#[test]
fn message_over_limit_after_inflating_is_reported_as_limit() {
    let config = Config::server().max_message_size(100).extension(PermessageDeflate::new()).unwrap();
    let handshake = Handshake::of(Version::Hybi13).with("Sec-WebSocket-Extensions", "permessage-deflate");
    let (_, driver) = websocket_tests::accept(&handshake.request(), config).unwrap();
    let mut session = Session { driver };
    session.events();
    // 300 bytes of "a", compressed.
    let deflated = b"\x4a\x4c\x1c\x05\xc4\x02\x00\x00";
    session.feed(Frame::binary(deflated).rsv(0x40).bytes());
    assert_eq!(*cause(&session), limit(Limit::MessageSize, 100, 101));
}

#[test]
fn exceeded_memory_limit_is_reported_with_the_size() {
    let config = Config::server().max_memory(20_000);
    let mut session = Session::open_with(Version::Hybi13, config);
    session.feed(Frame::binary(vec![0; 30_000]).more().bytes());
    let CloseCause::Limit(LimitExceeded { limit: Limit::Memory, max: 20_000, size }) = *cause(&session) else {
        panic!("{}", cause(&session))
    };
    assert!((30_000..100_000).contains(&size), "{size}");
    assert_eq!(session.frames()[0].close_code(), Some(1009));
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
