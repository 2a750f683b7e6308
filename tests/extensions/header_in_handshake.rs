//! `Sec-WebSocket-Extensions` in an opening handshake, through the server's driver.

use std::time::{Duration, Instant};

use bytes::Buf;
use http::header::SEC_WEBSOCKET_EXTENSIONS;
use permessage_deflate::PermessageDeflate;
use websocket_driver::{Config, Driver, Event, HandshakeError, ProtocolError, ServerConfig, Version};
use websocket_tests::accept;
use websocket_tests::wire::{Answer, Handshake, VERSIONS};

use crate::checksum::Checksum;
use crate::peer::{EXTENSIONS, OFFER, Server};

fn config() -> ServerConfig {
    Config::server().extension(PermessageDeflate::new()).unwrap().extension(Checksum::new()).unwrap()
}

/// Returns the response to a handshake with these header lines, and the events.
fn answer(config: ServerConfig, lines: &[&[u8]]) -> (Answer, Vec<Event>) {
    let handshake = lines.iter().fold(Handshake::of(Version::Hybi13), |shake, line| shake.with(EXTENSIONS, line));
    let mut driver = Driver::server(config);
    driver.receive(&handshake.bytes()[..]);
    assert_eq!(driver.poll_event(), Some(Event::Connect));
    driver.start().unwrap();
    let events = std::iter::from_fn(|| driver.poll_event()).collect();
    let output = driver.output();
    let written = output.copy_to_bytes(output.remaining());
    (Answer::read(&written).expect("an answer").0, events)
}

#[test]
fn malformed_header_is_refused_with_400_without_registered_extensions() {
    for config in [config(), Config::server(), config().decline_extensions(|_| true)] {
        for lines in [
            &["permessage-deflate; client_max_window_bits=".as_bytes()][..],
            &[b"permessage-deflate;"],
            &[b"permessage-deflate", b"a b"],
            &[b"a b", b"permessage-deflate"],
            &[b"permessage-deflate; a=\"b c\""],
            &[b"permessage-deflate; a=\"\\"],
            &[b"\xff"],
        ] {
            let (answer, events) = answer(config.clone(), lines);
            assert_eq!(answer.status, 400, "{lines:?}");
            assert_eq!(answer.all(EXTENSIONS), [""; 0]);
            let [Event::Error(error), Event::Close(_)] = &events[..] else { panic!("{events:?}") };
            let ProtocolError::Handshake(reason) = error else { panic!("{error:?}") };
            assert!(reason.to_string().contains("Sec-WebSocket-Extensions"), "{reason}");

            let shake = lines.iter().fold(Handshake::of(Version::Hybi13), |shake, line| shake.with(EXTENSIONS, line));
            let refusal = accept(&shake.request(), config.clone()).unwrap_err();
            assert!(matches!(refusal, HandshakeError::InvalidExtensions(_)), "{refusal:?}");
            assert_eq!(refusal.to_response().status(), 400);
        }
    }
}

#[test]
fn response_has_no_header_if_nothing_was_negotiated() {
    let window_of_8 = "permessage-deflate; server_max_window_bits=8";
    for (config, lines) in [
        (config(), &[][..]),
        (config(), &[""]),
        (config(), &[",", " , "]),
        (config(), &["x-webkit-deflate-frame", "permessage-deflat", "Permessage-Deflate"]),
        (config(), &["permessage-deflate; unknown", "x-checksum; unknown=1"]),
        (config(), &[window_of_8]),
        (Config::server(), &[OFFER]),
        (config().decline_extensions(|_| true), &[OFFER, "x-checksum"]),
    ] {
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        let (answer, events) = answer(config, &lines);
        assert_eq!((answer.status, events), (101, vec![Event::Open]));
        assert_eq!(answer.all(EXTENSIONS), [""; 0], "{lines:?}");
    }
}

#[test]
fn unknown_extensions_are_ignored() {
    let lines: [&[u8]; 3] =
        [b"mux; max-channels=4; flow-control, x-webkit-deflate-frame", b"permessage-deflate, unknown", b"x"];
    let (answer, _) = answer(config(), &lines);
    assert_eq!(answer.all(EXTENSIONS), ["permessage-deflate"]);
}

#[test]
fn offers_may_be_on_several_lines() {
    let expected = "permessage-deflate; server_max_window_bits=10, x-checksum";
    let [bad, good] = ["permessage-deflate; unknown", "permessage-deflate; server_max_window_bits=10"];
    for lines in [&[bad, "x-checksum", good][..], &["x-checksum, permessage-deflate; unknown=1", "", good]] {
        assert_eq!(Server::open(config(), lines).answered.as_deref(), Some(expected));
    }
}

#[test]
fn extension_header_cannot_be_set() {
    let request = Handshake::of(Version::Hybi13).with(EXTENSIONS, OFFER);
    let mut driver = Driver::server(config());
    driver.receive(&request.bytes()[..]);
    assert_eq!(driver.poll_event(), Some(Event::Connect));
    let value = http::HeaderValue::from_static("x-other");
    assert!(driver.set_header(SEC_WEBSOCKET_EXTENSIONS, value).is_err());
    driver.start().unwrap();
    let output = driver.output();
    let written = output.copy_to_bytes(output.remaining());
    let (answer, _) = Answer::read(&written).unwrap();
    assert_eq!(answer.all("Sec-WebSocket-Extensions"), ["permessage-deflate"]);
}

#[test]
fn drafts_negotiate_no_extensions() {
    for version in VERSIONS {
        let mut driver = Driver::server(config().allow_drafts(true));
        driver.receive(&Handshake::of(version).with(EXTENSIONS, OFFER).bytes()[..]);
        assert_eq!(driver.poll_event(), Some(Event::Connect));
        driver.start().unwrap();
        assert_eq!(driver.poll_event(), Some(Event::Open), "{version}");
        let output = driver.output();
        let written = output.copy_to_bytes(output.remaining());
        let agreed = Answer::read(&written).unwrap().0.all(EXTENSIONS).len();
        assert_eq!(agreed, usize::from(version == Version::Hybi13), "{version}");
        driver.send("x".repeat(1000)).unwrap();
        let is_short = driver.output().remaining() < 100;
        assert_eq!(is_short, version == Version::Hybi13, "{version}");
    }
}

#[test]
fn extensions_are_negotiated_on_http_2_as_on_http_1() {
    let mut handshake = Handshake::get("/chat").with("Sec-WebSocket-Version", "13").with(EXTENSIONS, OFFER);
    (handshake.method, handshake.http) = ("CONNECT".into(), "HTTP/2".into());
    let (response, _) = accept(&handshake.request(), config()).unwrap();
    assert_eq!(response.headers()[SEC_WEBSOCKET_EXTENSIONS], "permessage-deflate");
    let malformed = handshake.with(EXTENSIONS, "a b").request();
    assert!(accept(&malformed, config()).is_err());
}

#[test]
fn extensions_are_declined_by_user_agent() {
    let config = config().decline_extensions(|agent| agent.is_some_and(|agent| agent == "Old"));
    for (agent, agreed) in [("Old", 0), ("New", 1)] {
        let request = Handshake::of(Version::Hybi13).with(EXTENSIONS, OFFER).with("User-Agent", agent).request();
        let (response, _) = accept(&request, config.clone()).unwrap();
        assert_eq!(response.headers().get_all(SEC_WEBSOCKET_EXTENSIONS).iter().count(), agreed, "{agent}");
    }
}

#[test]
fn megabyte_of_offers_is_answered_in_linear_time() {
    let len = 1024 * 1024;
    for part in
        ["permessage-deflate,", "permessage-deflate;a,", "permessage-deflate; client_max_window_bits; x=1,", "x,"]
    {
        let line = format!("{}permessage-deflate; server_no_context_takeover", part.repeat(len / part.len()));
        let parameters = format!("permessage-deflate{}", ";server_no_context_takeover".repeat(len / 27));
        for line in [line, parameters] {
            let request = Handshake::of(Version::Hybi13).with(EXTENSIONS, line).request();
            let start = Instant::now();
            accept(&request, config().max_head_size(2 * len)).unwrap();
            assert!(start.elapsed() < Duration::from_secs(20), "{part}: {:?}", start.elapsed());
        }
    }
}
