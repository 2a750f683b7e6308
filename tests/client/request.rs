//! The request of a client, byte for byte (RFC 6455 §4.1).

use std::collections::HashSet;

use http::header::{self, HeaderName, HeaderValue};
use permessage_deflate::{PermessageDeflate, WindowBits};
use websocket_driver::{ClientConfig, Config, Driver, ReadyState, UrlError, UsageError};
use websocket_tests::wire::{ACCEPT, KEY};

use crate::session::{Client, Reply, config, uri};

/// Returns the head written for a URL.
pub(crate) fn head(url: &str, config: ClientConfig) -> String {
    let mut client = Client { driver: Driver::client(&uri(url), config).expect("a URL") };
    client.driver.start().expect("the first start");
    String::from_utf8(client.written()).expect("a head of text")
}

/// Returns the values of a header in a head.
pub(crate) fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
    lines.filter(|(other, _)| *other == name).map(|(_, value)| value).collect()
}

const PLAIN: &str = "GET /chat?x=1&y=%20 HTTP/1.1\r\n\
     Host: example.com\r\n\
     Upgrade: websocket\r\n\
     Connection: Upgrade\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
     Sec-WebSocket-Version: 13\r\n";

#[test]
fn plain_request_matches_byte_for_byte() {
    assert_eq!(head("ws://example.com/chat?x=1&y=%20", config()), format!("{PLAIN}\r\n"));
}

#[test]
fn protocols_and_offers_and_credentials_and_headers_follow_in_this_order() {
    let config = config().protocols(["chat.v2", "chat.v1"]).extension(PermessageDeflate::new()).unwrap();
    let mut driver = Driver::client(&uri("ws://user:secret@example.com/chat?x=1&y=%20"), config).unwrap();
    driver.set_header(header::ORIGIN, HeaderValue::from_static("https://example.com")).unwrap();
    driver.set_header(HeaderName::from_static("x-own"), HeaderValue::from_static("1")).unwrap();
    driver.set_header(HeaderName::from_static("x-own"), HeaderValue::from_static("2")).unwrap();
    driver.start().unwrap();
    let written = Client { driver }.written();
    let expected = format!(
        "{PLAIN}\
         Sec-WebSocket-Protocol: chat.v2, chat.v1\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
         Authorization: Basic dXNlcjpzZWNyZXQ=\r\n\
         Origin: https://example.com\r\n\
         X-Own: 1\r\n\
         X-Own: 2\r\n\
         \r\n"
    );
    assert_eq!(String::from_utf8(written).unwrap(), expected);
}

#[test]
fn options_of_permessage_deflate_are_offered() {
    let bits = |bits| WindowBits::new(bits).unwrap();
    let new = PermessageDeflate::new;
    let rows = [
        (new(), "client_max_window_bits"),
        (new().no_context_takeover(true), "client_no_context_takeover; client_max_window_bits"),
        (new().request_no_context_takeover(true), "server_no_context_takeover; client_max_window_bits"),
        (new().max_window_bits(bits(9)), "client_max_window_bits=9"),
        (new().max_window_bits(bits(8)), "client_max_window_bits=8"),
        (new().request_max_window_bits(bits(10)), "server_max_window_bits=10; client_max_window_bits"),
        (
            new()
                .no_context_takeover(true)
                .request_no_context_takeover(true)
                .max_window_bits(bits(11))
                .request_max_window_bits(bits(12)),
            "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12; \
             client_max_window_bits=11",
        ),
    ];
    for (deflate, params) in rows {
        let head = head("ws://example.com/", config().extension(deflate).unwrap());
        assert_eq!(values(&head, "Sec-WebSocket-Extensions"), [format!("permessage-deflate; {params}")]);
    }
}

#[test]
fn key_is_16_random_bytes_and_different_for_each_connection() {
    let keys: HashSet<String> = (0..100)
        .map(|_| {
            let head = head("ws://example.com/", Config::client());
            let key = values(&head, "Sec-WebSocket-Key")[0].to_owned();
            // The base64 of 16 bytes is 22 characters, the last of which encodes 2 bits, and
            // padding.
            assert!(key.len() == 24 && key.ends_with("==") && b"AQgw".contains(&key.as_bytes()[21]), "{key}");
            key
        })
        .collect();
    assert_eq!(keys.len(), 100);
}

#[test]
fn key_is_generated_by_the_configured_random_function() {
    assert_eq!(values(&head("ws://example.com/", config()), "Sec-WebSocket-Key"), [KEY]);
    let zeros = Config::client().random(|bytes| bytes.fill(0));
    assert_eq!(values(&head("ws://example.com/", zeros.clone()), "Sec-WebSocket-Key"), ["AAAAAAAAAAAAAAAAAAAAAA=="]);
    // The response for another key does not match this one.
    let mut client = Client::started(zeros);
    let events = client.feed(Reply::right().set("Sec-WebSocket-Accept", ACCEPT).bytes());
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(client.driver.is_closed());
}

#[test]
fn own_authorization_replaces_that_of_the_url() {
    for url in ["ws://user:secret@example.com/", "ws://example.com/"] {
        let mut driver = Driver::client(&uri(url), config()).unwrap();
        for token in ["Bearer one", "Bearer two"] {
            driver.set_header(header::AUTHORIZATION, HeaderValue::from_static(token)).unwrap();
        }
        driver.start().unwrap();
        let head = String::from_utf8(Client { driver }.written()).unwrap();
        assert_eq!(values(&head, "Authorization"), ["Bearer two"], "{url}");
    }
}

#[test]
fn reserved_headers_are_refused() {
    let reserved = [
        "host",
        "upgrade",
        "connection",
        "content-length",
        "transfer-encoding",
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-protocol",
        "sec-websocket-extensions",
        "sec-websocket-accept",
        "websocket-protocol",
    ];
    let mut client = Client::new(config());
    for name in reserved {
        let name = HeaderName::from_static(name);
        let error = client.driver.set_header(name.clone(), HeaderValue::from_static("x")).unwrap_err();
        assert_eq!(error, UsageError::ReservedHeader(name.clone()));
        assert_eq!(error.to_string(), format!("header {name} is reserved for the handshake"));
    }
    client.driver.start().unwrap();
    let head = String::from_utf8(client.written()).unwrap();
    assert_eq!(head.matches(": x\r\n").count(), 0, "{head}");
}

#[test]
fn changes_and_starts_after_the_start_are_refused() {
    let mut client = Client::new(config());
    assert_eq!(client.driver.ready_state(), ReadyState::Connecting);
    assert_eq!(client.written(), b"");
    client.driver.start().unwrap();
    let set = |client: &mut Client| client.driver.set_header(header::ORIGIN, HeaderValue::from_static("x"));
    assert_eq!(set(&mut client), Err(UsageError::AlreadyAnswered));
    assert_eq!(client.driver.start(), Err(UsageError::AlreadyAnswered));
    assert_eq!(values(&String::from_utf8(client.written()).unwrap(), "Sec-WebSocket-Key"), [KEY], "once");
    client.feed(Reply::right().bytes());
    assert_eq!(client.driver.ready_state(), ReadyState::Open);
    assert_eq!(set(&mut client), Err(UsageError::AlreadyAnswered));
    assert_eq!(client.driver.start(), Err(UsageError::AlreadyAnswered));
    assert_eq!(client.written(), b"");
    client.eof();
    assert_eq!(set(&mut client), Err(UsageError::AlreadyAnswered));
}

#[test]
fn line_breaks_cannot_be_put_into_a_request() {
    // CVE-2026-1527. The types of the `http` crate prevent them in headers and paths. Decoded
    // credentials are checked here.
    for bytes in [&b"a\r\nb"[..], b"a\nb", b"a\rb", b"a\0b"] {
        assert!(HeaderValue::from_bytes(bytes).is_err());
        let url = [b"ws://example.com/", bytes].concat();
        assert!(http::Uri::try_from(&url[..]).is_err());
    }
    for user in ["a%0d%0ab", "a%0Ab", "a:%0d", "%00", "a:b%7f", "%1b:x"] {
        let error = Driver::client(&uri(&format!("ws://{user}@example.com/")), config()).unwrap_err();
        assert_eq!(error, UrlError::Characters.into(), "{user}");
    }
}
