//! Responses of a proxy that do not establish a tunnel, by name.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use websocket_driver::{HeadError, Proxy, ProxyError};
use websocket_tests::chain::chain;

use crate::proxy::{ESTABLISHED, started};
use crate::session::{Reply, cases, config};

struct Refused {
    name: &'static str,
    bytes: Vec<u8>,
    error: ProxyError,
    /// The status, if a response could be parsed.
    status: Option<u16>,
    message: &'static str,
}

fn rows() -> Vec<Refused> {
    let row = |name, bytes, error, status, message| Refused { name, bytes, error, status, message };
    let headers = |challenge: Option<&str>| {
        let one = (HeaderName::from_static("x-one"), HeaderValue::from_static("1"));
        let challenge = challenge.map(|challenge| (header::PROXY_AUTHENTICATE, challenge.parse().unwrap()));
        HeaderMap::from_iter([Some(one), challenge].into_iter().flatten())
    };
    let wants = |challenge: Option<&str>| ProxyError::Authentication {
        challenge: challenge.map(Into::into),
        headers: headers(challenge),
    };
    let refused = |status: u16| ProxyError::Refused { status: status.try_into().unwrap(), headers: headers(None) };
    let malformed = || ProxyError::Head(HeadError::Malformed);
    let status = |status| Reply::status(status).with("X-One", "1");
    let unreadable = "invalid response from the proxy: malformed HTTP head";
    let ended = "proxy closed the connection without a response";
    vec![
        row(
            "407",
            status("407 Proxy Authentication Required").with("Proxy-Authenticate", "Basic realm=\"x\"").then("<html>"),
            wants(Some("Basic realm=\"x\"")),
            Some(407),
            "proxy authentication required: 407 (Basic realm=\"x\")",
        ),
        row(
            "407 without a challenge",
            status("407 No").bytes(),
            wants(None),
            Some(407),
            "proxy authentication required: 407",
        ),
        row("401", status("401 No").bytes(), refused(401), Some(401), "proxy refused the tunnel: 401 Unauthorized"),
        row("403", status("403 No").then("x"), refused(403), Some(403), "proxy refused the tunnel: 403 Forbidden"),
        row("302", status("302 No").bytes(), refused(302), Some(302), "proxy refused the tunnel: 302 Found"),
        row("502", status("502 No").bytes(), refused(502), Some(502), "proxy refused the tunnel: 502 Bad Gateway"),
        row(
            "101",
            status("101 No").bytes(),
            refused(101),
            Some(101),
            "proxy refused the tunnel: 101 Switching Protocols",
        ),
        row(
            "503 of HTTP/1.0",
            Reply::line("HTTP/1.0 503 No").with("X-One", "1").bytes(),
            refused(503),
            Some(503),
            "proxy refused the tunnel: 503 Service Unavailable",
        ),
        row("no status", b"HTTP/1.1 \r\n\r\n".to_vec(), malformed(), None, unreadable),
        row("a status of letters", b"HTTP/1.1 abc\r\n\r\n".to_vec(), malformed(), None, unreadable),
        row("HTTP/2 in words", b"HTTP/2 200 OK\r\n\r\n".to_vec(), malformed(), None, unreadable),
        row("noise with empty lines", b"\x05\xff\n\n".to_vec(), malformed(), None, unreadable),
        row("a request", b"GET / HTTP/1.1\r\n\r\n".to_vec(), malformed(), None, unreadable),
        row(
            "101 headers",
            (0..101).fold(Reply::status("200 OK"), |reply, _| reply.with("X", "")).bytes(),
            ProxyError::Head(HeadError::TooManyHeaders { limit: 100 }),
            None,
            "invalid response from the proxy: HTTP head has more than 100 header fields",
        ),
        row(
            "an endless head",
            [&b"HTTP/1.1 200 OK\r\nX: "[..], &[b'x'; 16 * 1024]].concat(),
            ProxyError::Head(HeadError::TooLarge { limit: 16 * 1024 }),
            None,
            "invalid response from the proxy: HTTP head exceeds 16384 bytes",
        ),
        row("nothing", vec![], ProxyError::Ended, None, ended),
        row("half a head", ESTABLISHED[..ESTABLISHED.len() - 2].to_vec(), ProxyError::Ended, None, ended),
    ]
}

/// Feeds a response in pieces, then the end of the transport, and returns all results.
fn answered(bytes: &[u8], cuts: &[usize]) -> (Proxy, Vec<Result<(), ProxyError>>) {
    let mut proxy = started(config());
    let (mut told, mut start) = (Vec::new(), 0);
    for end in cuts.iter().copied().chain([bytes.len()]) {
        proxy.receive(&bytes[start..end]);
        told.extend(proxy.poll());
        start = end;
    }
    proxy.receive_eof();
    told.extend(proxy.poll());
    told.extend(proxy.poll());
    (proxy, told)
}

#[test]
fn refusal_is_reported_once_with_status_and_headers_and_without_a_driver() {
    for Refused { name, bytes, error, status, message } in rows() {
        for cuts in [vec![], (1..bytes.len()).collect()] {
            let (proxy, told) = answered(&bytes, &cuts);
            assert_eq!(told, [Err(error.clone())], "{name}");
            assert_eq!(chain(&error), message, "{name}");
            assert_eq!(proxy.status().map(|status| status.as_u16()), status, "{name}");
            assert_eq!(proxy.headers().contains_key("x-one"), status.is_some(), "{name}");
            let mut proxy = *proxy.into_driver().expect_err(name);
            // Later input does not change that.
            proxy.receive(ESTABLISHED);
            assert_eq!(proxy.poll(), None, "{name}");
            assert!(proxy.into_driver().is_err(), "{name}");
        }
    }
}

#[test]
fn limits_of_the_driver_apply_to_the_proxy() {
    for (limits, is_fine) in [
        (config().max_head_size(ESTABLISHED.len()), true),
        (config().max_head_size(ESTABLISHED.len() - 1), false),
        (config().max_headers(0), true),
    ] {
        let mut proxy = started(limits);
        proxy.receive(ESTABLISHED);
        assert_eq!(proxy.poll().map(|told| told.is_ok()), Some(is_fine));
    }
    let mut proxy = started(config().max_headers(1));
    proxy.receive(&Reply::status("200 OK").with("A", "1").with("B", "2").bytes()[..]);
    assert_eq!(proxy.poll(), Some(Err(HeadError::TooManyHeaders { limit: 1 }.into())));
}

#[test]
fn endless_head_is_refused_as_it_arrives() {
    // CVE-2026-54465.
    let mut proxy = started(config());
    proxy.receive(&b"HTTP/1.1 200 OK\r\n"[..]);
    let mut fed = 0;
    let told = loop {
        match proxy.poll() {
            Some(told) => break told,
            None => proxy.receive(&b"X-Endless: and on and on and on\r\n"[..]),
        }
        fed += 33;
        assert!(fed <= 17 * 1024);
    };
    assert_eq!(told, Err(HeadError::TooLarge { limit: 16 * 1024 }.into()));
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn arbitrary_cuts_are_the_same(
        number in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let rows = rows();
        let good = [ESTABLISHED, b"behind"].concat();
        let bytes = rows.get(number.index(rows.len() + 1)).map_or(&good, |row| &row.bytes);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let (whole, expected) = answered(bytes, &[]);
        let (proxy, told) = answered(bytes, &cuts);
        prop_assert_eq!(told, expected);
        prop_assert_eq!((proxy.status(), proxy.headers()), (whole.status(), whole.headers()));
        let behind = |proxy: Proxy| proxy.into_driver().ok().map(|mut driver| driver.input().clone());
        prop_assert_eq!(behind(proxy), behind(whole));
    }
}
