//! RFC 6455 §5: frames, fragments, control frames. The hybi drafts since 07 have the same framing.

use websocket_driver::{Event, ProtocolError as E, Version};
use websocket_tests::chain::chain;
use websocket_tests::wire::{Frame, HYBI, LengthForm, ServerFrame, frames, hixie_text};

use crate::session::{Session, binary, failed, ping, text};

/// Returns what a client must not send, up to the byte that violates the protocol, with the error.
pub(crate) fn violations() -> Vec<(String, Vec<u8>, E)> {
    let mut all = Vec::new();
    let mut add = |name: String, bytes: &[u8], error: E| all.push((name, bytes.to_vec(), error));
    for first in 0..=0xffu8 {
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
        if first & 0x70 != 0 {
            add(format!("reserved bits of {first:#04x}"), &[first], E::ReservedBits);
        } else if matches!(opcode, 3..=7 | 11..=15) {
            add(format!("opcode of {first:#04x}"), &[first], E::UnknownOpcode(opcode));
        } else if opcode >= 8 && !fin {
            add(format!("a control frame's fragment {first:#04x}"), &[first], E::FragmentedControl);
        } else if opcode == 0 {
            add(format!("{first:#04x} continues nothing"), &[first], E::UnexpectedContinuation);
        } else {
            for length in [0, 1, 125, 126, 127] {
                add(format!("unmasked {first:#04x} {length}"), &[first, length], E::UnmaskedFrame);
            }
            if opcode >= 8 {
                add(format!("{first:#04x} in 16 bits"), &[first, 0xfe], E::ControlTooLong);
                add(format!("{first:#04x} in 64 bits"), &[first, 0xff], E::ControlTooLong);
            }
        }
    }
    for fin in [0, 0x80] {
        let begun = Frame::text("begun").more().bytes();
        for opcode in [1, 2] {
            let bytes = [&begun[..], &[fin | opcode]].concat();
            add(format!("opcode {opcode} inside a message"), &bytes, E::ExpectedContinuation);
        }
        let ended = [&begun[..], &Frame::continuation("").bytes(), &[fin]].concat();
        add("continuation behind the end".into(), &ended, E::UnexpectedContinuation);
    }
    for (form, lengths) in
        [(LengthForm::Bits16, &[0, 1, 125][..]), (LengthForm::Bits64, &[0, 1, 125, 126, 127, 255, 256, 65_535])]
    {
        for &length in lengths {
            let header = Frame::binary("").announcing(length).length_form(form).header();
            add(format!("{length} as {form:?}"), &header[..header.len() - 4], E::LengthNotMinimal);
        }
    }
    for high in [0x80, 0xff] {
        add(format!("64 bits from {high:#x}"), &[0x82, 0xff, high], E::LengthTopBit);
    }
    all
}

#[test]
fn violation_fails_at_the_first_invalid_byte() {
    for (name, bytes, error) in violations() {
        let mut session = Session::open(Version::Hybi13);
        let events = session.feed_slowly(&bytes);
        let failed = failed(error, 1002).map(|event| (bytes.len(), event));
        assert_eq!(&events[events.len().saturating_sub(2)..], failed, "{name}");
        assert_eq!(session.frames().last().and_then(ServerFrame::close_code), Some(1002), "{name}");
    }
}

#[test]
fn messages_before_a_violation_are_received_and_none_after_it() {
    for (name, bytes, error) in violations() {
        let before = frames([Frame::text("one"), Frame::ping("two"), Frame::binary("three")]);
        let behind = frames([Frame::text("late"), Frame::ping("late"), Frame::close(1000, "")]);
        let mut session = Session::open(Version::Hybi13);
        let events = session.feed([before, bytes, behind].concat());
        assert_eq!(events[..3], [text("one"), ping("two"), binary("three")], "{name}");
        let reason = chain(&error);
        assert!(events.ends_with(&failed(error, 1002)), "{name}: {events:?}");
        assert!(!events.contains(&text("late")) && !events.contains(&ping("late")), "{name}");
        assert!(session.feed(Frame::text("later").bytes()).is_empty(), "{name}");
        let written = [ServerFrame::pong("two"), ServerFrame::close(1002, &reason)];
        assert_eq!(session.frames(), written, "{name}");
    }
}

#[test]
fn examples_of_section_5_7_are_read_and_written() {
    for version in HYBI {
        let mut session = Session::open(version);
        let hello = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        let masked = [&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d], &hello[..]].concat();
        assert_eq!(session.feed(masked), [text("Hello")]);
        let masked = [&[0x89, 0x85, 0x37, 0xfa, 0x21, 0x3d], &hello[..]].concat();
        assert_eq!(session.feed(masked), [ping("Hello")]);
        assert_eq!(session.written(), b"\x8a\x05Hello");
        session.driver.send("Hello").unwrap();
        assert_eq!(session.written(), b"\x81\x05Hello");
        session.driver.send_ping("Hello").unwrap();
        assert_eq!(session.written(), b"\x89\x05Hello");
        session.driver.send(vec![7; 256]).unwrap();
        assert_eq!(session.written(), [&[0x82, 0x7e, 0x01, 0x00], &[7; 256][..]].concat());
        session.driver.send(vec![7; 65_536]).unwrap();
        assert_eq!(session.written(), [&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0], &vec![7; 65_536][..]].concat());
    }
}

#[test]
fn every_length_is_read_and_written_in_its_shortest_form() {
    let mut session = Session::open(Version::Hybi13);
    for length in [0, 1, 2, 61, 62, 63, 64, 124, 125, 126, 127, 128, 65_534, 65_535, 65_536, 65_537, 200_000] {
        let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
        let string: String = (0..length).map(|i| char::from(b'a' + (i % 26) as u8)).collect();
        for key in [[0; 4], [0xff; 4], [0x80, 0, 1, 0x7f]] {
            let sent = frames([Frame::binary(&bytes).mask(key), Frame::text(&string).mask(key)]);
            assert_eq!(session.feed(sent), [binary(&bytes), text(&string)], "{length} under {key:x?}");
        }
        session.driver.send(bytes.clone()).unwrap();
        session.driver.send(string.clone()).unwrap();
        assert_eq!(session.frames(), [ServerFrame::new(2, &bytes), ServerFrame::text(&string)], "{length}");
    }
}

#[test]
fn fragments_are_joined_each_with_its_own_mask() {
    let parts = [&b"He"[..], b"", b"llo", b" ", b"", b"world"];
    for (opcode, whole) in [(1, text("Hello world")), (2, binary("Hello world"))] {
        let mut session = Session::open(Version::Hybi13);
        for (i, part) in parts.iter().enumerate() {
            let frame = Frame::new(if i == 0 { opcode } else { 0 }, part).mask([i as u8; 4]).more();
            assert_eq!(session.feed(frame.bytes()), []);
        }
        assert_eq!(session.feed(Frame::continuation("").bytes()), [whole]);
        assert_eq!(session.feed(Frame::text("next").bytes()), [text("next")]);
    }
}

#[test]
fn empty_messages_are_accepted_whole_and_in_fragments() {
    let empty = |opcode| [Frame::new(opcode, "").more(), Frame::continuation("").more(), Frame::continuation("")];
    let mut session = Session::open(Version::Hybi13);
    assert_eq!(session.feed(frames([Frame::text(""), Frame::binary("")])), [text(""), binary("")]);
    assert_eq!(session.feed(frames(empty(1))), [text("")]);
    assert_eq!(session.feed(frames(empty(2))), [binary("")]);
}

#[test]
fn control_frames_between_fragments_are_accepted() {
    let mut session = Session::open(Version::Hybi13);
    let sent = frames([
        Frame::text("a").more(),
        Frame::ping("1"),
        Frame::continuation("b").more(),
        Frame::pong("2"),
        Frame::ping("3"),
        Frame::continuation("c"),
    ]);
    assert_eq!(session.feed(sent), [ping("1"), Event::Pong("2".into()), ping("3"), text("abc")]);
    assert_eq!(session.frames(), [ServerFrame::pong("1"), ServerFrame::pong("3")]);
}

#[test]
fn missing_bytes_are_reported_once_the_length_is_known() {
    let mut session = Session::open(Version::Hybi13);
    let frame = Frame::binary([7; 1000]).bytes();
    session.feed(&frame[..7]);
    assert_eq!(session.driver.missing(), 0);
    session.feed(&frame[7..8]);
    assert_eq!(session.driver.missing(), 1000);
    session.feed(&frame[8..18]);
    assert_eq!(session.driver.missing(), 990);
    assert_eq!(session.feed(&frame[18..]), [binary([7; 1000])]);
    assert_eq!(session.driver.missing(), 0);
}

#[test]
fn has_frame_reports_a_buffered_frame() {
    for (version, frame) in [
        (Version::Hybi13, Frame::text("x".repeat(200)).bytes()),
        (Version::Hybi13, Frame::binary("x").bytes()),
        (Version::Hybi13, Frame::ping("").bytes()),
        (Version::Hixie76, hixie_text("Hello")),
    ] {
        for polled in [false, true] {
            let mut session = Session::open(version);
            for (byte, count) in frame.iter().zip(1..) {
                session.driver.receive(&[*byte][..]);
                assert_eq!(session.driver.has_frame(), count == frame.len(), "{count} of {}", frame.len());
                if polled && count < frame.len() {
                    assert_eq!(session.driver.poll_event(), None);
                }
            }
            assert!(session.driver.poll_event().is_some() && !session.driver.has_frame());
        }
    }
    let mut session = Session::open(Version::Hybi13);
    session.driver.receive(&[0xf1][..]);
    assert!(session.driver.has_frame(), "a wrong one waits to be refused");
    assert_eq!(session.events().len(), 2);
    assert!(!session.driver.has_frame());
}
