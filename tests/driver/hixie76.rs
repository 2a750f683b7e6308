//! draft-hixie-thewebsocketprotocol-76: the challenge, the body after the head, frames and closing.

use bytes::Buf;
use websocket_driver::{
    CloseCode, Config, Event, HandshakeError, ProtocolError, ReadyState, SendError, ServerConfig, UsageError, Version,
};
use websocket_tests::accept;
use websocket_tests::wire::{HIXIE76_BODY, HIXIE76_CLOSE, HIXIE76_DIGEST, Handshake, hixie_text};

use crate::handshake::shake;
use crate::session::{Session, closed, failed, text};

fn config() -> ServerConfig {
    Config::server().allow_drafts(true)
}

fn right() -> Handshake {
    Handshake::of(Version::Hixie76)
}

/// Returns a driver that was given the request and waits for its body.
fn waiting() -> Session {
    let (_, driver) = accept(&right().request(), config()).unwrap();
    Session { driver }
}

#[test]
fn challenge_of_the_draft_is_answered() {
    // §1.2, §1.3, §5.2.
    for (key1, key2, body, digest) in [
        ("4 @1  46546xW%0l 1 5", "12998 5 Y3 1  .P00", b"^n:ds[4U", b"8jKS'y:G*Co,Wxa-"),
        ("18x 6]8vM;54 *(5:  {   U1]8  z [  8", "1_ tx7X d  <  nw  334J702) 7]o}` 0", b"Tm[K T2u", b"fQJ,fN/4F4!~K~MH"),
        // Only U+0020 is a space.
        ("829!3\t 09203\u{a0}.", "12998 5 Y3 1  .P00", b"^n:ds[4U", b"8jKS'y:G*Co,Wxa-"),
        ("3e6b263  4 17 80", "17  9 G`ZD9   2 2b 7X 3 /r90", b"WjN}|M(6", b"n`9eBk9z$R8pOtVb"),
    ] {
        let mut handshake = right().set("Sec-WebSocket-Key1", key1).set("Sec-WebSocket-Key2", key2);
        handshake.body = body.into();
        let mut session = Session::reading(config());
        assert_eq!(session.feed(handshake.bytes()), [Event::Connect, Event::Open]);
        assert!(session.written().ends_with(&[b"\r\n\r\n", &digest[..]].concat()));
    }
}

#[test]
fn key_without_a_32_bit_number_is_refused() {
    let keys = [
        "",
        "abc",
        "12345",
        "a b c",
        "1 2 3",
        "7 x y",
        "12 3 5",
        "4294967296 1",
        "42949672960 ,",
        "99999999999999999999 .",
        "8589934592 .",
        "18446744073709551616 . ",
        "1844674407370955161600 .",
    ];
    for key in keys {
        for name in ["Sec-WebSocket-Key1", "Sec-WebSocket-Key2"] {
            let outcome = shake(&right().set(name, key), &config());
            assert_eq!((outcome.answer.status, outcome.result), (400, Err(HandshakeError::InvalidHixieKey)), "{key:?}");
        }
    }
    let twice = shake(&right().with("Sec-WebSocket-Key1", "4 @1  46546xW%0l 1 5"), &config());
    assert_eq!(twice.result, Err(HandshakeError::InvalidHixieKey));
    for key in ["0 .", "1 x", "4294967295 .", "a0b0c .", "42949672950 . . . . . . . . . ."] {
        let outcome = shake(&right().set("Sec-WebSocket-Key1", key), &config());
        assert_eq!(outcome.answer.status, 101, "{key:?}");
    }
    // Non-ASCII bytes are ignored.
    assert_eq!(shake(&right().set("Sec-WebSocket-Key1", b"1\xff 2\x80"), &config()).answer.status, 101);
}

#[test]
fn response_head_is_written_before_the_body_is_received() {
    // Some proxies hold the body back until they have seen the response.
    let mut session = Session::reading(config());
    assert_eq!(session.feed(right().head()), [Event::Connect]);
    assert!(session.written().ends_with(b"Sec-WebSocket-Location: ws://example.com/demo\r\n\r\n"));
    for byte in &HIXIE76_BODY[..7] {
        assert_eq!(session.feed([*byte]), []);
        assert_eq!((session.written(), session.driver.ready_state()), (vec![], ReadyState::Connecting));
    }
    assert_eq!(session.feed(&HIXIE76_BODY[7..]), [Event::Open]);
    assert_eq!((session.written(), session.driver.ready_state()), (HIXIE76_DIGEST.into(), ReadyState::Open));
}

#[test]
fn accepted_request_needs_its_body_as_the_first_input() {
    let mut session = waiting();
    assert_eq!((session.events(), session.driver.ready_state()), (vec![], ReadyState::Connecting));
    assert_eq!(session.driver.start(), Err(UsageError::AlreadyAnswered));
    let input = [&HIXIE76_BODY[..], &hixie_text("glued"), &HIXIE76_CLOSE].concat();
    assert_eq!(session.feed(input), [Event::Open, text("glued"), closed(1005, "")]);
    assert_eq!(session.written(), [&HIXIE76_DIGEST[..], &HIXIE76_CLOSE].concat());
}

#[test]
fn body_may_be_declared() {
    for length in ["0", "8"] {
        let declared = right().with("Content-Length", length);
        let mut session = Session::reading(config());
        assert_eq!(session.feed(declared.bytes()), [Event::Connect, Event::Open]);
        assert!(session.written().ends_with(&HIXIE76_DIGEST));
    }
    for length in ["7", "9", "", "x", "-8", "+8", "8, 8"] {
        let outcome = shake(&right().with("Content-Length", length), &config());
        assert_eq!(outcome.result, Err(HandshakeError::Body), "{length:?}");
    }
    // A transfer coding that only an HTTP stack can have decoded.
    let chunked = right().with("Transfer-Encoding", "chunked");
    assert!(accept(&chunked.request(), config()).is_ok());
    let mut session = Session::reading(config());
    assert_eq!(session.feed(chunked.head())[1..], failed(HandshakeError::Body.into(), 1002));
}

#[test]
fn body_may_contain_any_bytes() {
    for byte in [0x00, 0x0a, 0x0d, 0x20, 0x80, 0xff] {
        let mut session = waiting();
        assert_eq!(session.feed([byte; 8]), [Event::Open]);
        assert_eq!(session.written().len(), 16);
    }
}

#[test]
fn end_before_the_body_is_1006() {
    for count in 0..8 {
        let mut session = waiting();
        session.driver.receive(&HIXIE76_BODY[..count]);
        assert_eq!(session.eof(), [closed(1006, "")]);
        assert_eq!(session.written(), []);
    }
}

#[test]
fn messages_sent_before_the_body_follow_the_digest() {
    let mut session = waiting();
    session.driver.send("early").unwrap();
    session.driver.send("bird").unwrap();
    assert_eq!(session.driver.send(&b"no"[..]), Err(SendError::NotSupported { version: "hixie-76" }));
    assert_eq!(session.written(), []);
    assert_eq!(session.feed(HIXIE76_BODY), [Event::Open]);
    assert_eq!(session.written(), [&HIXIE76_DIGEST[..], &hixie_text("early"), &hixie_text("bird")].concat());
}

#[test]
fn close_before_the_body_ends_it_without_a_frame() {
    let mut session = waiting();
    session.driver.start_close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(session.events(), [closed(1000, "")]);
    assert_eq!(session.feed(HIXIE76_BODY), []);
    assert_eq!(session.written(), []);
}

#[test]
fn location_is_wss_by_configuration_or_scheme() {
    let location = |target: &str, config: ServerConfig, version: Version| {
        let handshake = Handshake { target: target.into(), ..Handshake::of(version) };
        let outcome = shake(&handshake, &config.allow_drafts(true));
        let name = if version == Version::Hixie76 { "Sec-WebSocket-Location" } else { "WebSocket-Location" };
        outcome.answer.all(name)[0].to_string()
    };
    for version in [Version::Hixie76, Version::Hixie75] {
        for (target, secure, expected) in [
            ("/demo", None, "ws://example.com/demo"),
            ("/demo", Some(false), "ws://example.com/demo"),
            ("/demo", Some(true), "wss://example.com/demo"),
            ("http://example.com/demo", None, "ws://example.com/demo"),
            ("https://example.com/demo", None, "wss://example.com/demo"),
            ("wss://example.com/demo", None, "wss://example.com/demo"),
            ("HTTPS://example.com/demo", None, "wss://example.com/demo"),
            ("https://example.com/demo", Some(false), "ws://example.com/demo"),
            ("/", None, "ws://example.com/"),
            ("/a/b?c=d&e=%20", None, "ws://example.com/a/b?c=d&e=%20"),
            ("http://example.com", None, "ws://example.com/"),
            // RFC 9112 §3.2.2.
            ("http://example.org:8080/demo", None, "ws://example.org:8080/demo"),
            ("wss://[::1]/demo", None, "wss://[::1]/demo"),
        ] {
            let config = secure.into_iter().fold(Config::server(), Config::wss_location);
            assert_eq!(location(target, config, version), expected, "{target} {secure:?}");
        }
    }
}

#[test]
fn target_with_malformed_authority_is_refused() {
    for target in ["http://user@example.com/demo", "http://example.com:99999/demo", "http://example.com:/demo:"] {
        let outcome = shake(&Handshake { target: target.into(), ..right() }, &config());
        match target.ends_with(':') {
            // An empty port means the default port (RFC 3986 §3.2.3).
            true => assert_eq!(outcome.answer.all("Sec-WebSocket-Location"), ["ws://example.com:/demo:"]),
            false => assert_eq!(outcome.result, Err(HandshakeError::Host), "{target}"),
        }
    }
}

#[test]
fn origin_is_returned_byte_for_byte() {
    for origin in [&b"http://example.com"[..], b"null", b"http://EXAMPLE.com:8080", b"caf\xe9"] {
        let mut session = Session::reading(config());
        session.feed(right().set("Origin", origin).bytes());
        let written = session.written();
        let line = [b"\r\nSec-WebSocket-Origin: ", origin, b"\r\n"].concat();
        assert!(written.windows(line.len()).any(|bytes| bytes == line));
    }
    let outcome = shake(&right().without("Origin"), &config());
    assert_eq!(outcome.answer.all("Sec-WebSocket-Origin"), [""; 0]);
}

#[test]
fn closing_frame_is_answered_once_and_later_input_discarded() {
    let mut session = Session::open(Version::Hixie76);
    let input = [&hixie_text("one")[..], &HIXIE76_CLOSE, &hixie_text("late"), &HIXIE76_CLOSE].concat();
    assert_eq!(session.feed(input), [text("one"), closed(1005, "")]);
    assert_eq!(session.written(), HIXIE76_CLOSE);
    assert_eq!((session.feed(HIXIE76_CLOSE), session.eof(), session.written()), (vec![], vec![], vec![]));
    assert!(session.driver.is_closed());
}

#[test]
fn local_closing_frame_waits_for_its_answer() {
    let mut session = Session::open(Version::Hixie76);
    session.driver.start_close(CloseCode::GOING_AWAY, "not transmitted").unwrap();
    assert_eq!(session.written(), HIXIE76_CLOSE);
    assert_eq!((session.events(), session.driver.ready_state()), (vec![], ReadyState::Closing));
    assert_eq!(session.driver.send("late"), Err(SendError::Closed));
    assert_eq!(session.driver.start_close(CloseCode::NORMAL, ""), Ok(()));
    assert_eq!(session.feed(hixie_text("under way")), [text("under way")]);
    assert_eq!(session.feed(HIXIE76_CLOSE), [closed(1005, "")]);
    assert_eq!(session.written(), []);
}

#[test]
fn end_without_a_closing_frame_is_1006() {
    let input = [hixie_text("whole"), vec![0x80, 2, 0, 0], hixie_text("cut")].concat();
    for count in 0..=input.len() {
        let mut session = Session::open(Version::Hixie76);
        session.driver.receive(&input[..count]);
        let events = session.eof();
        assert_eq!(events.last(), Some(&closed(1006, "")));
        assert_eq!(events.contains(&text("whole")), count >= 7);
        assert_eq!(session.written(), []);
    }
}

#[test]
fn closing_frame_is_only_ff_00() {
    let mut session = Session::open(Version::Hixie76);
    for skipped in
        [&[0x80, 0x00][..], &[0xfe, 0x00], &[0xff, 0x01, 0x00], &[0xff, 0x80, 0x00], &[0x80, 0x02, 0xff, 0x00]]
    {
        assert_eq!(session.feed(skipped), [], "{skipped:x?}");
        assert_eq!(session.feed(hixie_text("in step")), [text("in step")], "{skipped:x?}");
    }
    assert!(!session.driver.output().has_remaining());
}

#[test]
fn violation_is_answered_with_the_closing_frame() {
    let mut session = Session::open_with(Version::Hixie76, Config::server().max_frame_size(10));
    let events = session.feed([&hixie_text("fine")[..], &[0x80, 11]].concat());
    assert_eq!(events[0], text("fine"));
    assert_eq!(events[1..], failed(ProtocolError::FrameTooBig { size: 11, limit: 10 }, 1009));
    assert_eq!(session.written(), HIXIE76_CLOSE);
}
