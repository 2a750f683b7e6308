//! What a server must not send, and how the client fails the connection (RFC 6455 §5, §7.1.7).

use websocket_driver::{ClientConfig, Event, ProtocolError as Error};
use websocket_tests::chain::chain;
use websocket_tests::wire::{Frame, LengthForm, frames};

use crate::session::{Client, config, failed, text};

/// Returns invalid server frames, with the error that the client reports.
pub(crate) fn violations() -> Vec<(&'static str, Vec<u8>, Error)> {
    let bytes = |frame: Frame| frame.unmasked().bytes();
    let begun = |frame: Frame| [bytes(Frame::text("a").more()), bytes(frame)].concat();
    vec![
        ("a masked text", Frame::text("Hello").bytes(), Error::MaskedFrame),
        ("a masked text with a key of zeros", Frame::text("Hello").mask([0; 4]).bytes(), Error::MaskedFrame),
        ("a masked empty binary", Frame::binary("").bytes(), Error::MaskedFrame),
        ("a masked ping", Frame::ping("").bytes(), Error::MaskedFrame),
        ("a masked close", Frame::close(1000, "").bytes(), Error::MaskedFrame),
        ("a masked long binary", Frame::binary([0; 70_000]).bytes(), Error::MaskedFrame),
        (
            "a masked continuation",
            [bytes(Frame::text("a").more()), Frame::continuation("b").bytes()].concat(),
            Error::MaskedFrame,
        ),
        ("RSV1", bytes(Frame::text("a").rsv(0x40)), Error::ReservedBits),
        ("RSV2", bytes(Frame::text("a").rsv(0x20)), Error::ReservedBits),
        ("RSV3", bytes(Frame::ping("a").rsv(0x10)), Error::ReservedBits),
        ("opcode 3", bytes(Frame::new(3, "a")), Error::UnknownOpcode(3)),
        ("opcode 15", bytes(Frame::new(15, "")), Error::UnknownOpcode(15)),
        ("a fragmented ping", bytes(Frame::ping("a").more()), Error::FragmentedControl),
        ("a long ping", bytes(Frame::ping([0; 126])), Error::ControlTooLong),
        ("a length in 16 bits", bytes(Frame::text("a").length_form(LengthForm::Bits16)), Error::LengthNotMinimal),
        ("a length in 64 bits", bytes(Frame::text("a").length_form(LengthForm::Bits64)), Error::LengthNotMinimal),
        (
            "a length with the top bit",
            bytes(Frame::text("").length_form(LengthForm::Bits64).announcing(1 << 63)),
            Error::LengthTopBit,
        ),
        ("a continuation of nothing", bytes(Frame::continuation("a")), Error::UnexpectedContinuation),
        ("a text inside a text", begun(Frame::text("b")), Error::ExpectedContinuation),
        ("a text that is none", bytes(Frame::text(b"\xff")), Error::InvalidUtf8),
        ("a text that ends in a character", bytes(Frame::text(b"\xe2\x82")), Error::InvalidUtf8),
        ("a close of one byte", bytes(Frame::new(8, "x")), Error::TruncatedCloseCode),
        ("close 1005", bytes(Frame::close(1005, "")), Error::InvalidCloseCode(1005.into())),
        ("close 999", bytes(Frame::close(999, "")), Error::InvalidCloseCode(999.into())),
        ("a reason that is no text", bytes(Frame::close(1000, b"\xff")), Error::InvalidCloseReason),
    ]
}

/// Feeds invalid frames after a valid one.
#[track_caller]
fn assert_fails(config: ClientConfig, name: &str, bytes: &[u8], error: &Error, code: u16) {
    let mut client = Client::open_with(config);
    let before = Frame::binary("before").unmasked().bytes();
    let events = client.feed([&before, bytes, b"\x81\x06behind"].concat());
    assert!(matches!(events[0], Event::Message(_)), "{name}: what came before is told: {events:?}");
    assert_eq!(events[events.len() - 2..], failed(error.clone(), code), "{name}");
    assert_eq!(events.len(), 3, "{name}: {events:?}");
    let sent = client.sent();
    assert_eq!(sent.len(), 1, "{name}: {sent:?}");
    let expected = [&code.to_be_bytes(), chain(&error).as_bytes()].concat();
    assert_eq!(sent[0], (8, expected), "{name}");
    // The side that fails the connection does not have to wait for the other (RFC 6455 §7.1.7).
    assert!(client.driver.is_closed() && !client.driver.expects_eof(), "{name}");
    assert_eq!(client.eof(), [], "{name}");
}

#[test]
fn invalid_server_frames_fail_the_connection() {
    for (name, bytes, error) in violations() {
        let code = if matches!(error, Error::InvalidUtf8 | Error::InvalidCloseReason) { 1007 } else { 1002 };
        assert_fails(config(), name, &bytes, &error, code);
    }
}

#[test]
fn masked_frame_fails_at_its_second_byte() {
    let mut client = Client::open();
    assert_eq!(client.feed([0x81]), []);
    assert_eq!(client.feed([0x85]), failed(Error::MaskedFrame, 1002));
    assert_eq!(Error::MaskedFrame.to_string(), "masked frame from a server (RFC 6455 §5.1)");
}

#[test]
fn text_fails_at_its_first_invalid_byte() {
    let mut client = Client::open();
    assert_eq!(client.feed(b"\x81\x0agood \xed"), []);
    assert_eq!(client.feed(b"\xa0"), failed(Error::InvalidUtf8, 1007));
}

#[test]
fn limits_hold_for_a_server() {
    let limits = || config().max_frame_size(200).max_message_size(300).max_fragments(4);
    let bytes = |all: &[Frame]| frames(all.iter().cloned().map(Frame::unmasked));
    let tiny = |count| (0..count).map(|i| Frame::new(if i == 0 { 2 } else { 0 }, "x").more()).collect::<Vec<_>>();
    let rows = [
        ("frame", bytes(&[Frame::binary([0; 201])]), Error::FrameTooBig { size: 201, limit: 200 }),
        (
            "announced",
            Frame::binary("").unmasked().length_form(LengthForm::Bits64).announcing(u64::MAX >> 1).bytes(),
            Error::FrameTooBig { size: u64::MAX >> 1, limit: 200 },
        ),
        (
            "message",
            bytes(&[Frame::binary([0; 200]).more(), Frame::continuation([0; 101])]),
            Error::MessageTooBig { size: 301, limit: 300 },
        ),
        ("fragments", bytes(&tiny(5)), Error::TooManyFragments { limit: 4 }),
    ];
    for (name, bytes, error) in rows {
        assert_fails(limits(), name, &bytes, &error, 1009);
    }
    let mut client = Client::open_with(limits());
    let all = [Frame::text([b'x'; 150]).more(), Frame::continuation([b'x'; 150])];
    assert_eq!(client.feed(bytes(&all)), [text(&"x".repeat(300))]);
}
