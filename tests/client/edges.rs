//! Edge cases: URLs, interim and incomplete responses, and how they are reported.

use websocket_driver::{Driver, Event, HeadError, ProxyError, ResponseFault};

use crate::proxy::{ESTABLISHED, started};
use crate::request::{head, values};
use crate::session::{Client, Reply, config, refusal, uri};

#[test]
fn url_with_a_query_and_no_path_has_the_root_path() {
    let head = head("ws://example.com?x=1", config());
    assert_eq!(head.split("\r\n").next(), Some("GET /?x=1 HTTP/1.1"));
}

#[test]
fn scheme_in_upper_case_is_accepted() {
    // RFC 3986 §3.1.
    for url in ["WS://example.com/", "Wss://example.com/"] {
        assert!(Driver::client(&uri(url), config()).is_ok(), "{url}");
    }
}

#[test]
fn invalid_port_is_refused() {
    for url in ["ws://example.com:65536/", "ws://example.com:99999/", "ws://example.com:x/"] {
        if let Ok(url) = url.parse() {
            assert!(Driver::client(&url, config()).is_err(), "{url}");
        }
    }
}

#[test]
fn user_with_a_colon_is_refused() {
    // RFC 7617 §2: a user-id that contains a colon is invalid.
    assert!(Driver::client(&uri("ws://us%3Aer:secret@example.com/"), config()).is_err());
}

#[test]
fn empty_userinfo_is_ignored() {
    assert_eq!(values(&head("ws://@example.com/", config()), "Authorization"), [""; 0]);
}

#[test]
fn invalid_and_duplicate_subprotocols_are_not_sent() {
    // RFC 6455 §4.1: each is a token, and no two are the same.
    for protocols in [vec!["a, b"], vec!["a b"], vec![""], vec!["a", "a"]] {
        assert!(
            Driver::client(&uri("ws://example.com/"), config().protocols(protocols.clone())).is_err(),
            "{protocols:?}"
        );
    }
}

#[test]
fn interim_responses_before_the_101_are_skipped() {
    // RFC 9110 §15.2: a client must be able to read one or more of them, expected or not.
    let interim = Reply::status("103 Early Hints").with("Link", "</a>");
    for count in 1..4 {
        let interims: Vec<u8> = (0..count).flat_map(|_| interim.bytes()).collect();
        for slowly in [false, true] {
            let mut client = Client::started(config());
            let bytes = [&interims[..], &Reply::right().bytes()].concat();
            let events = if slowly { client.feed_slowly(bytes) } else { client.feed(bytes) };
            assert_eq!(events, [Event::Open]);
            assert_eq!(client.driver.response().unwrap().status(), 101);
        }
    }
    let mut client = Client::started(config());
    let refused = Reply::status("403 Forbidden").with("Content-Length", "0");
    let events = client.feed([interim.bytes(), refused.bytes()].concat());
    assert_eq!(refusal("403", &events).0.status.map(|status| status.as_u16()), Some(403));
}

#[test]
fn interim_responses_of_a_proxy_are_skipped() {
    let mut proxy = started(config());
    proxy.receive(&[b"HTTP/1.1 100 Continue\r\n\r\n", ESTABLISHED].concat()[..]);
    assert_eq!(proxy.poll(), Some(Ok(())));
    assert_eq!(proxy.status().map(|status| status.as_u16()), Some(200));
}

#[test]
fn refusal_with_a_chunked_body_is_reported_when_it_ends() {
    let reply = Reply::status("403 Forbidden").with("Transfer-Encoding", "chunked");
    for (body, decoded) in [("5\r\nhello\r\n0\r\n\r\n", "hello"), ("0\r\n\r\n", "")] {
        for slowly in [false, true] {
            let mut client = Client::started(config());
            let bytes = reply.then(body);
            let events = if slowly { client.feed_slowly(bytes) } else { client.feed(bytes) };
            assert_eq!(events.len(), 2, "{body:?}");
            assert_eq!(refusal("chunked", &events).0.body, decoded);
        }
    }
}

#[test]
fn invalid_head_is_kept() {
    for head in ["HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 101 OK\r\nA b: c\r\n\r\n"] {
        let events = Client::started(config()).feed(head);
        let (error, _) = refusal(head, &events);
        assert_eq!(error.fault, ResponseFault::Head(HeadError::Malformed));
        assert_eq!(error.body, head);
    }
}

#[test]
fn http_1_0_response_has_a_hint() {
    let reply = Reply::line("HTTP/1.0 503 Service Unavailable").with("Content-Length", "0");
    let hint = refusal("503", &Client::started(config()).feed(reply.bytes())).0.hint();
    assert!(hint.is_some_and(|hint| hint.contains("HTTP/1.0")));
}

#[test]
fn http_1_0_101_is_refused() {
    // RFC 6455 §4.1, RFC 9110 §15.2: HTTP/1.0 has no 1xx.
    let bytes = String::from_utf8(Reply::right().bytes()).unwrap().replace("HTTP/1.1", "HTTP/1.0");
    let events = Client::started(config()).feed(bytes);
    assert!(matches!(events[..], [Event::Error(_), Event::Close(_)]), "{events:?}");
}

#[test]
fn tls_alert_has_a_hint() {
    let events = Client::started(config()).feed([0x15, 3, 3, 0, 2, 2, 50]);
    assert!(refusal("TLS", &events).0.hint().is_some_and(|hint| hint.contains("TLS")));
}

#[test]
fn proxy_that_is_not_http_is_detected_at_once() {
    let mut proxy = started(config());
    // The response of a SOCKS5 proxy to a request that it does not understand.
    proxy.receive(&b"\x05\xff\x00\x00"[..]);
    assert!(matches!(proxy.poll(), Some(Err(ProxyError::Head(_)))));
}

#[test]
fn password_is_not_in_debug_output_while_the_request_waits() {
    let mut driver = Driver::client(&uri("ws://user:secret@example.com/"), config()).unwrap();
    driver.start().unwrap();
    let debug = format!("{driver:?}");
    assert!(!debug.contains("dXNlcjpzZWNyZXQ"), "{debug}");
}
