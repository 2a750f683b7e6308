//! A client's HTTP/2 request, to be sent by another stack (RFC 8441 §5), and when it is available.

use bytes::{Buf, Bytes};
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use permessage_deflate::PermessageDeflate;
use websocket_driver::{
    ClientConfig, ClientError, CloseCode, Config, Driver, Event, UrlError, UsageError, is_handshake,
};
use websocket_tests::accept;
use websocket_tests::wire::Handshake;

use crate::session::{Client, Reply, closed, config, uri};

/// Returns the request for a URL.
pub(crate) fn request(url: &str, config: ClientConfig) -> Request<()> {
    let mut driver = Driver::client(&uri(url), config).expect("a URL");
    let request = driver.extended_connect().expect("the first call");
    assert!(!driver.output().has_remaining(), "somebody else sends it");
    request
}

/// Returns a client whose request was sent by another stack.
pub(crate) fn asked(config: ClientConfig) -> Client {
    let mut client = Client::new(config);
    client.driver.extended_connect().expect("the first call");
    client
}

/// Returns a response that negotiates nothing.
pub(crate) fn ok() -> Response<Bytes> {
    Response::new(Bytes::new())
}

/// Returns all headers in order.
fn headers(request: &Request<()>) -> Vec<(&str, &str)> {
    request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text"))).collect()
}

#[test]
fn plain_request_has_only_the_version() {
    let request = request("ws://example.com/chat?x=1&y=%20", config());
    assert_eq!(request.method(), Method::CONNECT);
    assert_eq!(request.version(), Version::HTTP_2);
    assert_eq!(request.uri(), "http://example.com/chat?x=1&y=%20");
    // Neither Host, Upgrade, Connection nor a key.
    assert_eq!(headers(&request), [("sec-websocket-version", "13")]);
    assert!(request.extensions().is_empty(), "`:protocol` is the stack's");
    assert!(is_handshake(&request));
}

#[test]
fn protocols_and_offers_and_credentials_and_headers_are_as_on_http_1_1() {
    let config = config().protocols(["chat.v2", "chat.v1"]).extension(PermessageDeflate::new()).unwrap();
    let mut driver = Driver::client(&uri("wss://user:secret@example.com/chat"), config).unwrap();
    for (name, value) in [("origin", "https://example.com"), ("x-own", "1"), ("x-own", "2")] {
        driver.set_header(HeaderName::from_static(name), HeaderValue::from_static(value)).unwrap();
    }
    let request = driver.extended_connect().unwrap();
    let mut all = headers(&request);
    // A map only preserves the order of values with the same name.
    all.sort_by_key(|(name, _)| *name);
    assert_eq!(
        all,
        [
            ("authorization", "Basic dXNlcjpzZWNyZXQ="),
            ("origin", "https://example.com"),
            ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"),
            ("sec-websocket-protocol", "chat.v2, chat.v1"),
            ("sec-websocket-version", "13"),
            ("x-own", "1"),
            ("x-own", "2"),
        ]
    );
    assert!(request.headers()[header::AUTHORIZATION].is_sensitive(), "never in a table of HPACK (RFC 7541 §7.1.3)");
    assert_eq!(request.uri(), "https://example.com/chat");
}

#[test]
fn uri_is_http_without_user_and_default_port() {
    let rows = [
        ("ws://example.com", "http://example.com/"),
        ("wss://example.com", "https://example.com/"),
        ("http://example.com/a", "http://example.com/a"),
        ("https://example.com/a", "https://example.com/a"),
        ("WSS://example.com/a", "https://example.com/a"),
        ("Ws://example.com/a", "http://example.com/a"),
        ("ws://example.com:80/", "http://example.com/"),
        ("ws://example.com:443/", "http://example.com:443/"),
        ("wss://example.com:443/", "https://example.com/"),
        ("wss://example.com:80/", "https://example.com:80/"),
        ("ws://127.0.0.1:9001/", "http://127.0.0.1:9001/"),
        ("ws://[::1]/", "http://[::1]/"),
        ("ws://[::1]:80/", "http://[::1]/"),
        ("wss://[2001:db8::7]:8443/a", "https://[2001:db8::7]:8443/a"),
        ("ws://user:secret@example.com:81/a", "http://example.com:81/a"),
        ("ws://user@[::1]:81/a", "http://[::1]:81/a"),
        ("ws://example.com?x=1", "http://example.com/?x=1"),
        ("ws://example.com/a/../b//c;d?e=%26&f=?", "http://example.com/a/../b//c;d?e=%26&f=?"),
    ];
    for (url, expected) in rows {
        let request = request(url, config());
        let (uri, expected) = (request.uri(), uri(expected));
        assert_eq!(uri.to_string(), expected.to_string(), "{url}");
        assert_eq!(uri.authority().map(|authority| authority.as_str()), expected.authority().map(|a| a.as_str()));
        assert_eq!(uri.path_and_query(), expected.path_and_query(), "{url}");
    }
}

#[test]
fn own_authorization_replaces_that_of_the_url() {
    let mut driver = Driver::client(&uri("ws://user:secret@example.com/"), config()).unwrap();
    driver.set_header(header::AUTHORIZATION, HeaderValue::from_static("Bearer one")).unwrap();
    let request = driver.extended_connect().unwrap();
    assert_eq!(request.headers().get_all(header::AUTHORIZATION).iter().collect::<Vec<_>>(), ["Bearer one"]);
}

#[test]
fn headers_that_http_2_forbids_cannot_be_set() {
    let mut client = Client::new(config());
    for name in ["host", "upgrade", "connection", "transfer-encoding", "content-length", "sec-websocket-key"] {
        let name = HeaderName::from_static(name);
        let error = client.driver.set_header(name.clone(), HeaderValue::from_static("x")).unwrap_err();
        assert_eq!(error, UsageError::ReservedHeader(name));
    }
    assert_eq!(headers(&client.driver.extended_connect().unwrap()), [("sec-websocket-version", "13")]);
}

#[test]
fn url_errors_are_reported_first() {
    let error = Driver::client(&uri("ftp://example.com/"), config()).unwrap_err();
    assert!(matches!(error, ClientError::Url(UrlError::Scheme { .. })));
}

#[test]
fn request_is_available_once() {
    let mut client = asked(config());
    assert_eq!(client.driver.extended_connect().unwrap_err(), UsageError::AlreadyAnswered);
    assert_eq!(client.driver.start(), Err(UsageError::AlreadyAnswered));
    let error = client.driver.set_header(header::ORIGIN, HeaderValue::from_static("x")).unwrap_err();
    assert_eq!(error, UsageError::AlreadyAnswered);
    assert_eq!(client.written(), b"");
    // None of these calls has changed anything.
    client.driver.receive_response(ok()).unwrap();
    assert_eq!(client.events(), [Event::Open]);
    assert_eq!(client.driver.extended_connect().unwrap_err(), UsageError::AlreadyAnswered);
}

#[test]
fn request_is_not_available_after_a_start_which_continues() {
    let mut client = Client::started(config());
    assert_eq!(client.driver.extended_connect().unwrap_err(), UsageError::AlreadyAnswered);
    assert_eq!(client.driver.receive_response(ok()), Err(UsageError::NotRequested));
    assert_eq!(client.events(), []);
    assert_eq!(client.feed(&Reply::right().bytes()[..20]), []);
    assert_eq!(client.driver.receive_response(ok()), Err(UsageError::NotRequested));
    assert_eq!(client.feed(&Reply::right().bytes()[20..]), [Event::Open]);
}

#[test]
fn response_is_accepted_once_and_only_when_expected() {
    let mut client = Client::new(config());
    assert_eq!(client.driver.receive_response(ok()), Err(UsageError::NotRequested));
    client.driver.extended_connect().expect("still possible");
    client.driver.receive_response(ok()).unwrap();
    assert_eq!(client.driver.receive_response(ok()), Err(UsageError::NotRequested));
    assert_eq!(client.events(), [Event::Open], "told once");
    let mut refusal = ok();
    *refusal.status_mut() = StatusCode::FORBIDDEN;
    assert_eq!(client.driver.receive_response(refusal), Err(UsageError::NotRequested));
    assert_eq!(client.events(), [], "and still open");
    client.driver.send("hello").unwrap();
}

#[test]
fn connection_closed_before_the_response_accepts_none() {
    for asks in [false, true] {
        let mut client = if asks { asked(config()) } else { Client::new(config()) };
        client.driver.start_close(CloseCode::GOING_AWAY, "changed my mind").unwrap();
        assert_eq!(client.events(), [closed(1001, "changed my mind")]);
        assert_eq!(client.driver.extended_connect().unwrap_err(), UsageError::AlreadyAnswered);
        assert_eq!(client.driver.receive_response(ok()), Err(UsageError::NotRequested));
        assert_eq!((client.events(), client.written()), (vec![], vec![]));
    }
}

#[test]
fn server_has_no_request_and_accepts_no_response() {
    let request = Handshake::hybi("13").request();
    let mut driver = Driver::server(Config::server());
    assert_eq!(driver.extended_connect().unwrap_err(), UsageError::NotRequested);
    assert_eq!(driver.receive_response(ok()), Err(UsageError::NotRequested));
    assert!(!driver.is_closed());
    let (_, mut driver) = accept(&request, Config::server()).expect("a handshake");
    assert_eq!(driver.extended_connect().unwrap_err(), UsageError::AlreadyAnswered);
    assert_eq!(driver.receive_response(ok()), Err(UsageError::NotRequested));
    assert_eq!(driver.poll_event(), Some(Event::Open));
}

#[test]
fn password_is_not_in_debug_output() {
    let mut driver = Driver::client(&uri("ws://user:secret@example.com/"), config()).unwrap();
    let request = driver.extended_connect().unwrap();
    for debug in [format!("{driver:?}"), format!("{request:?}")] {
        assert!(!debug.contains("dXNlcjpzZWNyZXQ") && !debug.contains("secret"), "{debug}");
    }
}
