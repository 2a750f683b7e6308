//! Protocol violations as causes, with the sections that they violate.

use websocket_driver::extensions::{ExtensionError, ExtensionFault};
use websocket_driver::{CloseCause, Config, Driver, Event, ProtocolError as E, Version};
use websocket_tests::chain::chain;
use websocket_tests::wire::{Frame, HYBI, Handshake, LengthForm, frames, hixie_text};

use super::cause;
use crate::session::{Session, text};

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
