//! draft-hixie-thewebsocketprotocol-75, and the framing that draft 76 shares with it.

use bytes::Buf;
use websocket_driver::{CloseCode, Config, Event, ReadyState, SendError, Version};
use websocket_tests::wire::{HIXIE76_CLOSE, Handshake, hixie_text};

use crate::session::{Session, closed, text};

const HIXIE: [Version; 2] = [Version::Hixie76, Version::Hixie75];

#[test]
fn response_starts_with_the_85_bytes_that_a_client_compares() {
    let expected = b"HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n";
    assert_eq!(expected.len(), 85);
    for handshake in [
        Handshake::of(Version::Hixie75),
        Handshake::of(Version::Hixie75).without("Origin"),
        Handshake::of(Version::Hixie75).set("Upgrade", "websocket").set("Connection", "keep-alive, upgrade"),
    ] {
        let mut session = Session::reading(Config::server().allow_drafts(true));
        assert_eq!(session.feed(handshake.bytes()), [Event::Connect, Event::Open]);
        assert!(session.written().starts_with(expected));
    }
}

#[test]
fn text_is_delimited_by_00_and_ff() {
    for version in HIXIE {
        let mut session = Session::open(version);
        for message in ["Hello", "", "\0\u{7f}", "κόσμε", "\u{10ffff}", &"long €".repeat(10_000)] {
            assert_eq!(session.feed(hixie_text(message)), [text(message)]);
            session.driver.send(message).unwrap();
            assert_eq!(session.written(), hixie_text(message));
        }
        let glued = [hixie_text("a"), hixie_text(""), hixie_text("b")].concat();
        assert_eq!(session.feed(glued), [text("a"), text(""), text("b")]);
    }
}

#[test]
fn any_type_without_the_top_bit_is_text() {
    for version in HIXIE {
        let mut session = Session::open(version);
        for kind in 0..=0x7f {
            assert_eq!(session.feed([kind, b'x', 0xff]), [text("x")]);
        }
    }
}

#[test]
fn invalid_utf8_is_replaced() {
    for version in HIXIE {
        let mut session = Session::open(version);
        for (bytes, expected) in [
            (&b"\x80"[..], "\u{fffd}"),
            (b"a\xc0b", "a\u{fffd}b"),
            (b"cut \xe2\x82", "cut \u{fffd}"),
            (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xf0\x9f\x98\x80 \xfe", "😀 \u{fffd}"),
        ] {
            assert_eq!(session.feed(hixie_text(bytes)), [text(expected)]);
            assert_eq!(session.feed(hixie_text("next")), [text("next")]);
        }
    }
}

#[test]
fn frames_with_a_length_are_skipped() {
    for version in HIXIE {
        for (header, length) in [
            (&[0x80, 0][..], 0),
            (&[0x80, 1], 1),
            (&[0x81, 127], 127),
            (&[0xfe, 0x81, 0x00], 128),
            (&[0x80, 0x82, 0x03], 259),
            (&[0xaa, 0x80, 0x80, 0x05], 5),
            (&[0xff, 0x81, 0x80, 0x00], 16_384),
            (&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], 1),
        ] {
            let mut session = Session::open(version);
            // The skipped payload looks like frames.
            let payload: Vec<u8> = [0x00, b'x', 0xff, 0x00].into_iter().cycle().take(length).collect();
            let input = [header, &payload, &hixie_text("in step")].concat();
            assert_eq!(session.feed(&input), [text("in step")], "{header:x?}");
            assert_eq!(session.feed_slowly(&input), [(input.len(), text("in step"))], "{header:x?}");
        }
    }
}

#[test]
fn hixie_supports_only_text_messages() {
    for version in HIXIE {
        let mut session = Session::open(version);
        let expected = Err(SendError::NotSupported { version: version.as_str() });
        assert_eq!(session.driver.send(&b"x"[..]), expected);
        assert_eq!(session.driver.send_ping("x"), expected);
        assert_eq!(session.driver.send_pong("x"), expected);
        assert!(!session.driver.output().has_remaining());
        assert_eq!(session.driver.ready_state(), ReadyState::Open);
    }
}

#[test]
fn draft_75_closes_by_closing_the_transport() {
    let mut session = Session::open(Version::Hixie75);
    session.driver.send("last").unwrap();
    session.driver.start_close(CloseCode::GOING_AWAY, "not transmitted").unwrap();
    assert_eq!(session.events(), [closed(1001, "not transmitted")]);
    assert!(session.driver.is_closed());
    assert_eq!(session.written(), hixie_text("last"));
    assert_eq!((session.feed(hixie_text("late")), session.eof()), (vec![], vec![]));
    assert_eq!(session.driver.send("late"), Err(SendError::Closed));
}

#[test]
fn draft_75_has_no_closing_frame() {
    let mut session = Session::open(Version::Hixie75);
    assert_eq!(session.feed([&HIXIE76_CLOSE[..], &hixie_text("goes on")].concat()), [text("goes on")]);
    assert_eq!(session.written(), []);
}

#[test]
fn end_between_two_frames_is_a_regular_close() {
    for clean in [&[][..], &hixie_text("a"), &[0x80, 0x00], &[0x80, 0x01, 0x00], &[0xff, 0x00], &[0x80, 0x80, 0x00]] {
        let mut session = Session::open(Version::Hixie75);
        session.driver.receive(clean);
        assert_eq!(session.eof().last(), Some(&closed(1005, "")), "{clean:x?}");
        assert_eq!(session.written(), []);
    }
    for cut in [&[0x00][..], b"\x00cut", &[0x80], &[0x80, 0x80], &[0x80, 0x01], &[0x80, 0x02, 0x00]] {
        let mut session = Session::open(Version::Hixie75);
        session.driver.receive(cut);
        assert_eq!(session.eof(), [closed(1006, "")], "{cut:x?}");
    }
}
