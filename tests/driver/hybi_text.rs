//! RFC 6455 §8.1: text is UTF-8, validated as it arrives (the cases of Autobahn 6).

use proptest::prelude::*;
use websocket_driver::{Config, Event, ProtocolError, Version};
use websocket_tests::wire::{Frame, ServerFrame, frames};

use crate::session::{Session, binary, cases, failed, ping, text};

const VALID: [&str; 12] = [
    "",
    "Hello-µ@ßöäüàá-UTF-8!!",
    "κόσμε",
    "\0",
    "\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}",
    "\u{d7ff}\u{e000}\u{fffd}\u{10ffff}",
    "\u{fffe}\u{ffff}",
    "\u{1fffe}\u{2ffff}\u{10fffe}",
    "\u{feff}with a byte order mark",
    "日本語, हिन्दी, עברית",
    "👩‍👩‍👧‍👦🏳️‍🌈",
    "sixty-two bytes fit a value itself, so this one is longer: €€€€€",
];

const INVALID: [&[u8]; 26] = [
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
    b"\x80",
    b"\xbf",
    b"a\x80\xbf",
    b"\xc0\xaf",
    b"\xc1\xbf",
    b"\xe0\x80\xaf",
    b"\xe0\x9f\xbf",
    b"\xf0\x80\x80\xaf",
    b"\xf0\x8f\xbf\xbf",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xed\xa0\x80\xed\xb0\x80",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xfc\x84\x80\x80\x80\x80",
    b"\xfe",
    b"\xff",
    b"\xc2",
    b"\xe2\x82",
    b"\xf0\x9f\x98",
    b"\xc2 ",
    b"\xe2\x82 ",
    b"\xf0\x9f\x98 ",
    b"abc\xe2\x82\xac\xf0\x9fabc",
];

/// Returns the number of bytes after which no valid text can continue, or `None` if one can.
fn wrong_after(bytes: &[u8]) -> Option<usize> {
    (1..=bytes.len())
        .find(|&count| std::str::from_utf8(&bytes[..count]).is_err_and(|error| error.error_len().is_some()))
}

/// Returns a text in fragments of one byte. The last is final only if `end`.
fn one_by_one(bytes: &[u8], end: bool) -> Vec<Vec<u8>> {
    let fragment = |(i, byte): (usize, &u8)| {
        let frame = Frame::new(if i == 0 { 1 } else { 0 }, [*byte]);
        if end && i + 1 == bytes.len() { frame.bytes() } else { frame.more().bytes() }
    };
    bytes.iter().enumerate().map(fragment).collect()
}

#[test]
fn every_character_is_accepted_however_it_is_split() {
    for string in VALID {
        let bytes = string.as_bytes();
        let mut session = Session::open(Version::Hybi13);
        assert_eq!(session.feed(Frame::text(string).bytes()), [text(string)], "{string:?}");
        if string.is_empty() {
            continue;
        }
        assert_eq!(session.feed(one_by_one(bytes, true).concat()), [text(string)], "{string:?}");
        assert_eq!(session.feed_slowly(Frame::text(string).bytes()).len(), 1, "{string:?}");
        for cut in 0..=bytes.len() {
            let parts = [Frame::text(&bytes[..cut]).more(), Frame::ping("-"), Frame::continuation(&bytes[cut..])];
            assert_eq!(session.feed(frames(parts)), [ping("-"), text(string)], "{string:?} at {cut}");
        }
    }
}

#[test]
fn invalid_utf8_closes_with_1007() {
    for bytes in INVALID {
        for sent in [Frame::text(bytes).bytes(), one_by_one(bytes, true).concat()] {
            let mut session = Session::open(Version::Hybi13);
            let events = session.feed(sent);
            session.assert_failed(&events, ProtocolError::InvalidUtf8, 1007);
        }
    }
}

#[test]
fn text_fails_at_its_first_invalid_byte_within_an_incomplete_frame() {
    for bytes in INVALID {
        let mut session = Session::open(Version::Hybi13);
        // The rest of the frame is never sent.
        let frame = Frame::text(bytes).announcing(bytes.len() as u64 + 10);
        let header = frame.header().len();
        let events = session.feed_slowly(frame.bytes());
        let expected: Vec<_> = wrong_after(bytes)
            .map(|count| failed(ProtocolError::InvalidUtf8, 1007).map(|event| (header + count, event)))
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(events, expected, "{bytes:x?}");
    }
}

#[test]
fn text_fails_at_its_first_invalid_fragment() {
    for bytes in INVALID {
        let mut session = Session::open(Version::Hybi13);
        let fragments = one_by_one(bytes, false).into_iter().zip(1..);
        let failed_at =
            fragments.map(|(bytes, count)| (session.feed(bytes), count)).find(|(events, _)| !events.is_empty());
        assert_eq!(failed_at.map(|(_, count)| count), wrong_after(bytes), "{bytes:x?}");
    }
}

#[test]
fn text_must_not_end_within_a_character() {
    for cut in [&b"\xc2"[..], b"\xe2\x82", b"\xf0\x9f\x98", b"good \xf0"] {
        for last in [Frame::continuation(""), Frame::continuation("more")] {
            let mut session = Session::open(Version::Hybi13);
            let begun = frames([Frame::text(cut).more(), Frame::ping("")]);
            assert_eq!(session.feed(begun), [ping("")]);
            assert_eq!(session.frames(), [ServerFrame::pong("")]);
            let events = session.feed(last.bytes());
            session.assert_failed(&events, ProtocolError::InvalidUtf8, 1007);
        }
    }
}

/// Returns a server that replaces invalid UTF-8, with this message size limit.
fn replacing(limit: usize) -> Session {
    Session::open_with(Version::Hybi13, Config::server().replace_invalid_utf8(true).max_message_size(limit))
}

#[test]
fn invalid_utf8_is_replaced_if_configured() {
    // On one connection, since it stays open.
    let mut session = replacing(1024);
    let windows_1252: &[u8] = b"\x93caf\xe9\x94";
    for bytes in INVALID.into_iter().chain(VALID.map(str::as_bytes)).chain([windows_1252]) {
        let expected = || text(&String::from_utf8_lossy(bytes));
        assert_eq!(session.feed(Frame::text(bytes).bytes()), [expected()], "{bytes:x?}");
        let slowly = session.feed_slowly(Frame::text(bytes).bytes());
        assert_eq!(slowly.into_iter().map(|(_, event)| event).collect::<Vec<_>>(), [expected()], "{bytes:x?}");
        if !bytes.is_empty() {
            assert_eq!(session.feed(one_by_one(bytes, true).concat()), [expected()], "{bytes:x?}");
        }
        for cut in 0..=bytes.len() {
            let parts = [Frame::text(&bytes[..cut]).more(), Frame::ping("-"), Frame::continuation(&bytes[cut..])];
            assert_eq!(session.feed(frames(parts)), [ping("-"), expected()], "{bytes:x?} at {cut}");
        }
        // Binary messages are not affected.
        assert_eq!(session.feed(Frame::binary(bytes).bytes()), [binary(bytes)]);
    }
    // A close reason is valid UTF-8 or the connection fails (RFC 6455 §5.5.1).
    session.written();
    let events = session.feed(Frame::close(1000, b"\xff").bytes());
    session.assert_failed(&events, ProtocolError::InvalidCloseReason, 1007);
}

#[test]
fn limit_holds_for_text_after_replacement() {
    for (bytes, fits) in [
        (vec![b'x'; 30], true),
        (vec![0xff; 10], true),
        (vec![0xff; 11], false),
        (vec![0xff; 30], false),
        ([&[b'x'; 27][..], b"\xff"].concat(), true),
        ([&[b'x'; 28][..], b"\xff"].concat(), false),
        ([b"\xff", &[b'x'; 28][..]].concat(), false),
        // A truncated character counts as one replacement.
        ([&[b'x'; 27][..], b"\xf0\x9f\x98"].concat(), true),
    ] {
        for sent in [Frame::text(&bytes).bytes(), one_by_one(&bytes, true).concat()] {
            let mut session = replacing(30);
            let events = session.feed(sent);
            if fits {
                assert_eq!(events, [text(&String::from_utf8_lossy(&bytes))], "{bytes:x?}");
            } else {
                let error = ProtocolError::MessageTooBig { size: 31, limit: 30 };
                session.assert_failed(&events, error, 1009);
            }
        }
    }
}

#[test]
fn text_in_pieces_does_not_affect_the_next_one() {
    let mut session = Session::open(Version::Hybi13);
    for _ in 0..3 {
        let euro = "€".as_bytes();
        let parts = [Frame::text(&euro[..1]).more(), Frame::continuation(&euro[1..])];
        assert_eq!(session.feed(frames(parts)), [text("€")]);
        assert_eq!(session.feed_slowly(Frame::text("€").bytes()), [(9, text("€"))]);
    }
}

#[test]
fn binary_messages_are_not_validated() {
    for bytes in INVALID {
        let mut session = Session::open(Version::Hybi13);
        let parts = [Frame::binary(bytes).more(), Frame::continuation(bytes)];
        assert_eq!(session.feed(frames(parts)), [binary([bytes, bytes].concat())]);
        assert_eq!(session.feed(Frame::binary(bytes).bytes()), [binary(bytes)]);
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn any_bytes_in_any_fragments_are_validated_like_the_standard_library(
        parts in prop::collection::vec(
            prop_oneof!["\\PC{0,4}".prop_map(String::into_bytes), prop::collection::vec(0x7eu8.., 0..3)],
            1..6,
        ),
        shift in 0..4usize,
    ) {
        let bytes = parts.concat();
        // Split at other positions than the parts.
        let mut cuts: Vec<usize> = parts.iter().scan(0, |at, part| { *at += part.len(); Some(*at) }).collect();
        cuts.iter_mut().for_each(|cut| *cut = cut.saturating_sub(shift));
        let mut session = Session::open(Version::Hybi13);
        let mut at = 0;
        for (i, cut) in cuts.iter().enumerate() {
            session.driver.receive(&Frame::new(u8::from(i == 0), &bytes[at..*cut]).more().bytes()[..]);
            at = *cut;
        }
        let events = session.feed(Frame::continuation(&bytes[at..]).bytes());
        match std::str::from_utf8(&bytes) {
            Ok(string) => prop_assert_eq!(events, [text(string)]),
            Err(_) => prop_assert_eq!(events, failed(ProtocolError::InvalidUtf8, 1007)),
        }
    }
}

#[test]
fn failed_message_is_not_returned() {
    let mut session = Session::open(Version::Hybi13);
    let events = session.feed(frames([Frame::text("good"), Frame::text(b"bad \xff"), Frame::text("late")]));
    assert_eq!(events[0], text("good"));
    assert!(!events.iter().skip(1).any(|event| matches!(event, Event::Message(_))));
}
