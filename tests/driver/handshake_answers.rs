//! The bytes of the response that accepts a handshake, and the calls that lead to it (RFC 6455
//! §4.2.2).

use bytes::Buf;
use http::{HeaderName, HeaderValue};
use websocket_driver::{Config, Driver, Event, ReadyState, UsageError, Version};
use websocket_tests::accept;
use websocket_tests::wire::{Answer, Frame, Handshake, VERSIONS};

use crate::session::{Session, text};

/// Returns the response to the example request of each version with the subprotocol `sample`.
fn expected(version: Version) -> &'static str {
    match version {
        Version::Hixie76 => {
            "HTTP/1.1 101 WebSocket Protocol Handshake\r\n\
             Upgrade: WebSocket\r\n\
             Connection: Upgrade\r\n\
             Sec-WebSocket-Origin: http://example.com\r\n\
             Sec-WebSocket-Location: ws://example.com/demo\r\n\
             Sec-WebSocket-Protocol: sample\r\n\
             \r\n\
             8jKS'y:G*Co,Wxa-"
        }
        Version::Hixie75 => {
            "HTTP/1.1 101 Web Socket Protocol Handshake\r\n\
             Upgrade: WebSocket\r\n\
             Connection: Upgrade\r\n\
             WebSocket-Origin: http://example.com\r\n\
             WebSocket-Location: ws://example.com/demo\r\n\
             WebSocket-Protocol: sample\r\n\
             \r\n"
        }
        _ => {
            "HTTP/1.1 101 Switching Protocols\r\n\
             Upgrade: websocket\r\n\
             Connection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
             Sec-WebSocket-Protocol: sample\r\n\
             \r\n"
        }
    }
}

fn example(version: Version) -> Handshake {
    let name = if version == Version::Hixie75 { "WebSocket-Protocol" } else { "Sec-WebSocket-Protocol" };
    Handshake::of(version).with(name, "sample")
}

#[test]
fn response_matches_the_specification_byte_for_byte() {
    for version in VERSIONS {
        let config = Config::server().allow_drafts(true).protocols(["sample"]);
        let mut session = Session::reading(config);
        assert_eq!(session.feed(example(version).bytes()), [Event::Connect, Event::Open]);
        assert_eq!(String::from_utf8_lossy(&session.written()), expected(version));
        assert_eq!(session.driver.protocol(), Some("sample"));
        assert_eq!(session.driver.ready_state(), ReadyState::Open);
    }
}

#[test]
fn response_omits_subprotocols_and_extensions_that_were_not_negotiated() {
    for version in VERSIONS {
        let mut session = Session::reading(Config::server().allow_drafts(true));
        let offer = example(version).with("Sec-WebSocket-Extensions", "permessage-deflate, x-unknown; a=1");
        session.feed(offer.bytes());
        let without: String =
            expected(version).split_inclusive("\r\n").filter(|line| !line.contains("sample")).collect();
        assert_eq!(String::from_utf8_lossy(&session.written()), without);
    }
}

#[test]
fn response_for_an_http_stack_is_the_same() {
    for version in VERSIONS {
        let config = Config::server().allow_drafts(true).protocols(["sample"]);
        let (response, mut driver) = accept(&example(version).request(), config).unwrap();
        let (answer, length) = Answer::read(expected(version).as_bytes()).unwrap();
        assert_eq!((answer.status, answer.reason.as_str()), (101, version.reason_phrase()));
        let headers = response.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let lowered: Vec<_> = answer.headers.iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
        assert!(headers.eq(lowered.iter().map(|(name, value)| (name.as_str(), value.as_str()))));
        driver.receive(&example(version).body[..]);
        assert_eq!(driver.poll_event(), Some(Event::Open));
        let output = driver.output();
        assert_eq!(output.copy_to_bytes(output.remaining()), &expected(version)[length..]);
    }
}

#[test]
fn frames_following_the_request_are_read() {
    for version in VERSIONS {
        let frame = if version.is_hixie() { b"\x00glued\xff".to_vec() } else { Frame::text("glued").bytes() };
        let mut session = Session::reading(Config::server().allow_drafts(true));
        let events = session.feed([Handshake::of(version).bytes(), frame].concat());
        assert_eq!(events, [Event::Connect, Event::Open, text("glued")]);
    }
}

#[test]
fn application_headers_follow_those_of_the_handshake() {
    for version in VERSIONS {
        let mut driver = Driver::server(Config::server().allow_drafts(true).protocols(["sample"]));
        let set = |driver: &mut Driver, name, value| {
            driver.set_header(HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        set(&mut driver, "set-cookie", "a=1").unwrap();
        driver.receive(&example(version).bytes()[..]);
        assert_eq!(driver.poll_event(), Some(Event::Connect));
        set(&mut driver, "x-served-by", "tests").unwrap();
        set(&mut driver, "set-cookie", "b=2").unwrap();
        driver.start().unwrap();
        assert_eq!(set(&mut driver, "x-late", "1"), Err(UsageError::AlreadyAnswered));
        assert_eq!(driver.poll_event(), Some(Event::Open));
        let output = driver.output();
        let written = String::from_utf8(output.copy_to_bytes(output.remaining()).into()).unwrap();
        let added = "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Served-By: tests\r\n\r\n";
        assert_eq!(written, expected(version).replace("\r\n\r\n", &format!("\r\n{added}")));
    }
}

#[test]
fn reserved_headers_cannot_be_set() {
    for name in [
        "Upgrade",
        "connection",
        "Content-Length",
        "transfer-encoding",
        "Sec-WebSocket-Accept",
        "sec-websocket-protocol",
        "Sec-WebSocket-Extensions",
        "sec-websocket-version",
        "Sec-WebSocket-Origin",
        "sec-websocket-location",
        "WebSocket-Origin",
        "websocket-location",
        "WebSocket-Protocol",
    ] {
        let mut session = Session::reading(Config::server());
        session.driver.receive(&example(Version::Hybi13).bytes()[..]);
        assert_eq!(session.driver.poll_event(), Some(Event::Connect));
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        let result = session.driver.set_header(name.clone(), HeaderValue::from_static("x"));
        assert_eq!(result, Err(UsageError::ReservedHeader(name)));
        session.driver.start().unwrap();
        let (answer, _) = Answer::read(&session.written()).unwrap();
        assert_eq!(answer.headers.len(), 3);
    }
}

#[test]
fn line_breaks_cannot_be_put_into_a_header() {
    // CVE-2026-1527: prevented by the types of the arguments.
    for value in ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0b"] {
        assert!(HeaderValue::from_str(value).is_err() && HeaderName::from_bytes(value.as_bytes()).is_err());
    }
}

#[test]
fn handshake_calls_fail_at_the_wrong_time() {
    let mut driver = Driver::server(Config::server());
    assert_eq!(driver.start(), Err(UsageError::NotRequested));
    driver.receive(&b"GET / HTTP/1.1\r\n"[..]);
    assert_eq!(driver.poll_event(), None);
    assert_eq!(driver.start(), Err(UsageError::NotRequested));
    assert_eq!((driver.version(), driver.request().is_some()), (None, false));
    driver.receive(&Handshake::of(Version::Hybi13).head()[b"GET /chat HTTP/1.1\r\n".len()..]);
    assert_eq!(driver.poll_event(), Some(Event::Connect));
    assert_eq!(driver.version(), Some(Version::Hybi13));
    assert_eq!(driver.request().unwrap().headers()["host"], "example.com");
    assert_eq!((driver.poll_event(), driver.ready_state()), (None, ReadyState::Connecting));
    driver.start().unwrap();
    assert_eq!((driver.start(), driver.ready_state()), (Err(UsageError::AlreadyAnswered), ReadyState::Open));
    assert_eq!((driver.poll_event(), driver.poll_event()), (Some(Event::Open), None));
}

#[test]
fn refused_handshake_cannot_be_answered_again() {
    let refused = Handshake::hybi("99");
    let mut driver = Driver::server(Config::server());
    driver.receive(&refused.head()[..]);
    assert_eq!(driver.poll_event(), Some(Event::Connect));
    assert_eq!(driver.refusal().unwrap().status(), 426);
    driver.start().unwrap();
    assert_eq!(driver.start(), Err(UsageError::AlreadyAnswered));
    assert!(driver.is_closed() && driver.output().has_remaining());
    assert_eq!(driver.version(), None);
}
