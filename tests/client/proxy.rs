//! An established tunnel through a proxy: its request, and the driver that results (RFC 9110
//! §9.3.6).

use bytes::Buf;
use http::header::{self, HeaderName, HeaderValue};
use websocket_driver::{ClientConfig, Driver, Event, Proxy, ProxyError, UrlError, UsageError};
use websocket_tests::wire::Frame;

use crate::session::{Client, Reply, closed, config, text, uri};

pub(crate) fn proxy_with(url: &str, proxy: &str, config: ClientConfig) -> Proxy {
    let driver = Driver::client(&uri(url), config).expect("a URL");
    Proxy::new(driver, &uri(url), &uri(proxy)).expect("two URLs")
}

pub(crate) fn written(proxy: &mut Proxy) -> String {
    let output = proxy.output();
    String::from_utf8(output.copy_to_bytes(output.remaining()).into()).expect("a head of text")
}

/// Returns a tunnel whose request was written.
pub(crate) fn started(config: ClientConfig) -> Proxy {
    let mut proxy = proxy_with("ws://example.com/chat", "http://proxy.example:3128", config);
    proxy.start();
    assert!(written(&mut proxy).starts_with("CONNECT example.com:80 HTTP/1.1\r\n"));
    proxy
}

fn request(url: &str, proxy: &str) -> String {
    let mut proxy = proxy_with(url, proxy, config());
    proxy.start();
    written(&mut proxy)
}

pub(crate) const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

#[test]
fn request_always_contains_host_and_port() {
    let rows = [
        ("ws://example.com/chat", "example.com:80"),
        ("wss://example.com/chat?x", "example.com:443"),
        ("http://example.com", "example.com:80"),
        ("https://example.com/", "example.com:443"),
        ("ws://example.com:8080/", "example.com:8080"),
        ("wss://example.com:80/", "example.com:80"),
        ("ws://[::1]/", "[::1]:80"),
        ("wss://[2001:db8::7]/", "[2001:db8::7]:443"),
        ("ws://[::1]:9001/", "[::1]:9001"),
        // Credentials for the server are not sent to the proxy.
        ("ws://user:secret@example.com/", "example.com:80"),
        ("wss://user:secret@[::1]:1/", "[::1]:1"),
    ];
    for (url, target) in rows {
        let expected = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
        for proxy in ["http://proxy.example:3128", "http://proxy.example", "https://[::1]:8080/ignored?too"] {
            assert_eq!(request(url, proxy), expected);
        }
    }
}

#[test]
fn credentials_of_the_proxy_and_headers_follow() {
    let mut proxy = proxy_with("wss://example.com/", "http://user:p%40ss%3aw%2Frd@proxy.example:3128", config());
    proxy.set_header(header::USER_AGENT, HeaderValue::from_static("me")).unwrap();
    proxy.set_header(HeaderName::from_static("x-own"), HeaderValue::from_static("1")).unwrap();
    proxy.set_header(HeaderName::from_static("x-own"), HeaderValue::from_static("2")).unwrap();
    assert_eq!(written(&mut proxy), "");
    proxy.start();
    let expected = "CONNECT example.com:443 HTTP/1.1\r\n\
         Host: example.com:443\r\n\
         Proxy-Authorization: Basic dXNlcjpwQHNzOncvcmQ=\r\n\
         User-Agent: me\r\n\
         X-Own: 1\r\n\
         X-Own: 2\r\n\
         \r\n";
    assert_eq!(written(&mut proxy), expected);
    // A second start does nothing.
    proxy.start();
    assert_eq!(written(&mut proxy), "");
}

#[test]
fn own_credentials_replace_those_of_the_url() {
    for at in ["user:secret@", ""] {
        let mut proxy = proxy_with("ws://example.com/", &format!("http://{at}proxy.example"), config());
        for token in ["Bearer one", "Bearer two"] {
            proxy.set_header(header::PROXY_AUTHORIZATION, HeaderValue::from_static(token)).unwrap();
        }
        proxy.start();
        let head = written(&mut proxy);
        assert_eq!(head.matches("Proxy-Authorization").count(), 1, "{head}");
        assert!(head.contains("\r\nProxy-Authorization: Bearer two\r\n"), "{head}");
    }
}

#[test]
fn reserved_headers_are_refused() {
    let mut proxy = proxy_with("ws://example.com/", "http://proxy.example", config());
    for name in ["host", "connection", "upgrade", "content-length", "transfer-encoding", "sec-websocket-key"] {
        let name = HeaderName::from_static(name);
        let error = proxy.set_header(name.clone(), HeaderValue::from_static("x")).unwrap_err();
        assert_eq!(error, UsageError::ReservedHeader(name));
    }
    proxy.start();
    let error = proxy.set_header(header::USER_AGENT, HeaderValue::from_static("x")).unwrap_err();
    assert_eq!(error, UsageError::AlreadyAnswered);
}

#[test]
fn invalid_proxy_and_websocket_urls_are_refused() {
    let make = |url: &str, proxy: &str| {
        let driver = Driver::client(&uri("ws://example.com/"), config()).unwrap();
        Proxy::new(driver, &uri(url), &uri(proxy)).expect_err("refused")
    };
    let of_proxy = || UrlError::Scheme { expected: "http, https" };
    let good = "ws://example.com/";
    for proxy in ["ws://proxy.example", "socks5://proxy.example", "proxy.example:3128", "/"] {
        assert_eq!(make(good, proxy), of_proxy(), "{proxy}");
    }
    assert_eq!(make(good, "http://user@:80/"), UrlError::Host);
    assert_eq!(make(good, "http://us%0der@proxy.example/"), UrlError::Characters);
    let of_websocket = UrlError::Scheme { expected: "ws, wss, http, https" };
    assert_eq!(make("ftp://example.com/", "http://proxy.example"), of_websocket);
}

/// Establishes a tunnel with a response, byte by byte or at once.
fn tunnel(answer: &[u8], slowly: bool) -> Driver {
    let mut proxy = started(config());
    let pieces: Vec<&[u8]> = if slowly { answer.chunks(1).collect() } else { vec![answer] };
    let mut told = Vec::new();
    for piece in pieces {
        proxy.receive(piece);
        told.extend(proxy.poll());
    }
    assert_eq!(told, [Ok(())]);
    assert_eq!(proxy.poll(), None, "told once");
    assert!(proxy.status().is_some_and(|status| status.is_success()));
    proxy.into_driver().expect("it stands")
}

#[test]
fn every_2xx_establishes_the_tunnel_and_its_declared_body_is_ignored() {
    // RFC 9110 §9.3.6: Content-Length and Transfer-Encoding are ignored in such a response.
    let rows = [
        Reply::status("200 Connection established"),
        Reply::line("HTTP/1.0 200 OK"),
        Reply::status("200"),
        Reply::status("204 No Content"),
        Reply::status("299 Odd"),
        Reply::status("200 OK").with("Content-Length", "5"),
        Reply::status("200 OK").with("Transfer-Encoding", "chunked"),
    ];
    for reply in rows {
        for slowly in [false, true] {
            let mut client = Client { driver: tunnel(&reply.bytes(), slowly) };
            client.driver.start().unwrap();
            assert!(client.written().starts_with(b"GET /chat HTTP/1.1\r\n"), "{reply:?}");
            let answer = Reply::right().then(Frame::text("Hello").unmasked().bytes());
            assert_eq!(client.feed(answer), [Event::Open, text("Hello")], "{reply:?}");
        }
    }
}

#[test]
fn bytes_after_the_response_are_passed_to_the_driver() {
    let behind = Reply::right().then(Frame::text("glued").unmasked().bytes());
    for end in 0..=behind.len() {
        let mut client = Client { driver: tunnel(&[ESTABLISHED, &behind[..end]].concat(), false) };
        assert_eq!(client.driver.input().len(), end);
        client.driver.start().unwrap();
        let mut events = client.events();
        events.extend(client.feed(&behind[end..]));
        assert_eq!(events, [Event::Open, text("glued")]);
    }
    let mut client = Client { driver: tunnel(&[ESTABLISHED, &behind].concat(), true) };
    client.driver.start().unwrap();
    assert_eq!(client.events(), [Event::Open, text("glued")]);
}

#[test]
fn bytes_after_the_poll_are_passed_to_the_driver() {
    let mut proxy = started(config());
    proxy.receive(ESTABLISHED);
    assert_eq!(proxy.poll(), Some(Ok(())));
    proxy.receive(&Reply::right().bytes()[..]);
    assert_eq!(proxy.poll(), None);
    proxy.receive_eof();
    let mut client = Client { driver: proxy.into_driver().unwrap() };
    client.driver.start().unwrap();
    assert_eq!(client.events(), [Event::Open, closed(1006, "")]);
}

#[test]
fn driver_keeps_its_state() {
    let url = uri("ws://user:secret@example.com/chat");
    let mut driver = Driver::client(&url, config().protocols(["a"])).unwrap();
    driver.set_header(header::ORIGIN, HeaderValue::from_static("x")).unwrap();
    driver.send("early").unwrap();
    let mut proxy = Proxy::new(driver, &url, &uri("http://proxy.example")).unwrap();
    proxy.start();
    let head = written(&mut proxy);
    assert!(!head.contains("Authorization") && !head.contains("Origin") && !head.contains("WebSocket"), "{head}");
    proxy.receive(ESTABLISHED);
    assert_eq!(proxy.poll(), Some(Ok(())));
    let mut client = Client { driver: proxy.into_driver().unwrap() };
    client.driver.start().unwrap();
    let head = String::from_utf8(client.written()).unwrap();
    assert!(head.contains("\r\nAuthorization: Basic dXNlcjpzZWNyZXQ=\r\nOrigin: x\r\n"), "{head}");
    assert_eq!(client.feed(Reply::right().with("Sec-WebSocket-Protocol", "a").bytes()), [Event::Open]);
    assert_eq!(client.sent(), [(1, b"early".to_vec())]);
}

#[test]
fn driver_is_not_available_before_the_tunnel_is_established() {
    let mut proxy = proxy_with("ws://example.com/chat", "http://proxy.example", config());
    // Not before the start, before the request is written, before the response is complete, and
    // before `poll`.
    assert_eq!(proxy.poll(), None);
    proxy = *proxy.into_driver().unwrap_err();
    proxy.start();
    proxy = *proxy.into_driver().unwrap_err();
    proxy.receive(&ESTABLISHED[..20]);
    assert_eq!(proxy.poll(), None);
    proxy.receive(&ESTABLISHED[20..]);
    proxy = *proxy.into_driver().unwrap_err();
    assert_eq!((proxy.status(), proxy.headers().len()), (None, 0));
    assert_eq!(proxy.poll(), Some(Ok(())));
    proxy = *proxy.into_driver().expect_err("its request is still to be written");
    assert!(written(&mut proxy).starts_with("CONNECT"), "what was given back goes on");
    assert!(proxy.into_driver().is_ok());
}

#[test]
fn response_before_the_request_waits() {
    let mut proxy = proxy_with("ws://example.com/chat", "http://proxy.example", config());
    proxy.receive(ESTABLISHED);
    assert_eq!(proxy.poll(), None);
    proxy.start();
    assert_eq!(proxy.poll(), Some(Ok::<(), ProxyError>(())));
}
