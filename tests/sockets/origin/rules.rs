//! Which origins are the server's own, malformed, or missing.

use http::{HeaderValue, Request, Version};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tower_websocket::origin::OriginRefusal::*;
use websocket_tests::wire::Handshake;

use super::verdicts::{LET_IN, allowing, confirm, guard, localhost, request, without_origin};

fn absolute(target: &str, host: &str, origin: &str) -> Request<()> {
    let mut request = request(host, origin);
    *request.uri_mut() = target.parse().expect("a URI");
    request
}

/// Parts of origins and insertions, to be combined.
const PARTS: &[&str] = &[
    "https://",
    "https://",
    "http://",
    "http://",
    "null",
    "file://",
    "example.com",
    "example.com",
    ".example.com",
    "server.test:8080",
    "server.test",
    "localhost",
    "evil.com",
    "a",
    ".",
    ":",
    ":443",
    ":8080",
    "@",
    "/",
    "#",
    "?",
    "*",
    "\\",
    " ",
    ",",
    "\t",
    "[::1]",
    "%2e",
];

/// As parsed by hyper: `:authority` is part of the URI.
fn http2(authority: &str, origin: &str) -> Request<()> {
    let mut request = absolute(&format!("https://{authority}/chat"), "unused", origin);
    request.headers_mut().remove("host");
    *request.version_mut() = Version::HTTP_2;
    request
}

#[test]
fn page_of_the_same_host_and_port_is_accepted_and_no_other() {
    confirm(
        &guard(),
        [
            ("https://example.com", "example.com", LET_IN),
            ("http://example.com", "example.com", LET_IN),
            ("HTTPS://EXAMPLE.COM", "example.com", LET_IN),
            ("https://example.com", "Example.Com", LET_IN),
            ("https://a_b.xn--bcher-kva.example", "a_b.xn--bcher-kva.example", LET_IN),
            ("https://localhost", "localhost", LET_IN),
            ("http://127.0.0.1:8080", "127.0.0.1:8080", LET_IN),
            ("https://evil.com", "example.com", Err(CrossOrigin)),
            // Origins that other implementations have mistaken for the same.
            ("https://example.com.evil.com", "example.com", Err(CrossOrigin)),
            ("https://evilexample.com", "example.com", Err(CrossOrigin)),
            ("https://evil-example.com", "example.com", Err(CrossOrigin)),
            ("https://example.community", "example.com", Err(CrossOrigin)),
            ("https://example.co", "example.com", Err(CrossOrigin)),
            ("https://a.example.com", "example.com", Err(CrossOrigin)),
            ("https://example.com", "a.example.com", Err(CrossOrigin)),
            ("https://examplescom", "example.com", Err(CrossOrigin)),
            ("https://example.com@evil.com", "example.com", Err(Malformed)),
            ("https://evil.com#example.com", "example.com", Err(Malformed)),
            ("https://evil.com?example.com", "example.com", Err(Malformed)),
            ("https://evil.com/example.com", "example.com", Err(Malformed)),
            ("https://evil.com\\example.com", "example.com", Err(Malformed)),
            ("https://example.com`.evil.com", "example.com", Err(Malformed)),
            ("https://example.com{.evil.com", "example.com", Err(Malformed)),
            ("https://example.com%60.evil.com", "example.com", Err(Malformed)),
            // Other names of the same machine are other hosts.
            ("http://127.0.0.1", "localhost", Err(CrossOrigin)),
            ("http://127.1", "127.0.0.1", Err(CrossOrigin)),
            ("http://2130706433", "127.0.0.1", Err(CrossOrigin)),
            ("http://[::ffff:127.0.0.1]", "127.0.0.1", Err(CrossOrigin)),
            ("http://[::1]", "localhost", Err(CrossOrigin)),
        ],
    );
}

#[test]
fn missing_port_is_the_default_of_the_scheme() {
    confirm(
        &guard(),
        [
            ("https://example.com:443", "example.com", LET_IN),
            ("https://example.com", "example.com:443", LET_IN),
            ("http://example.com:80", "example.com", LET_IN),
            ("http://example.com", "example.com:80", LET_IN),
            ("wss://example.com", "example.com:443", LET_IN),
            ("ws://example.com", "example.com:80", LET_IN),
            ("https://example.com:8443", "example.com:8443", LET_IN),
            ("https://example.com", "example.com:", LET_IN),
            ("https://example.com:8443", "example.com", Err(CrossOrigin)),
            ("https://example.com", "example.com:8443", Err(CrossOrigin)),
            ("https://example.com:80", "example.com", Err(CrossOrigin)),
            ("http://example.com:443", "example.com", Err(CrossOrigin)),
            ("http://example.com", "example.com:443", Err(CrossOrigin)),
            ("http://localhost:3000", "localhost:8080", Err(CrossOrigin)),
            ("https://example.com:", "example.com", Err(Malformed)),
            ("https://example.com:0", "example.com", Err(Malformed)),
            ("https://example.com:65536", "example.com", Err(Malformed)),
            ("https://example.com:4294967739", "example.com", Err(Malformed)),
            ("https://example.com:+443", "example.com", Err(Malformed)),
            ("https://example.com:-1", "example.com", Err(Malformed)),
            ("https://example.com:44x", "example.com", Err(Malformed)),
            ("https://example.com:443:443", "example.com", Err(Malformed)),
            ("https://example.com:443", "example.com:0", Err(MalformedHost)),
            ("https://example.com:443", "example.com:70000", Err(MalformedHost)),
        ],
    );
}

#[test]
fn ipv6_addresses_are_equal_however_they_are_written() {
    confirm(
        &guard(),
        [
            ("https://[::1]", "[::1]", LET_IN),
            ("https://[::1]:443", "[::1]", LET_IN),
            ("http://[::1]:8080", "[0:0:0:0:0:0:0:1]:8080", LET_IN),
            ("http://[2001:DB8::A]", "[2001:db8::a]", LET_IN),
            ("http://[::1]:8080", "[::1]", Err(CrossOrigin)),
            ("http://[::2]", "[::1]", Err(CrossOrigin)),
            ("http://[::1]evil.com", "[::1]", Err(Malformed)),
            ("http://[::1].evil.com", "[::1]", Err(Malformed)),
            ("http://[::1", "[::1]", Err(Malformed)),
            ("http://::1", "[::1]", Err(Malformed)),
            ("http://[]", "[::1]", Err(Malformed)),
            ("http://[example.com]", "example.com", Err(Malformed)),
            ("http://[fe80::1%25eth0]", "[fe80::1]", Err(Malformed)),
            ("http://[127.0.0.1]", "127.0.0.1", Err(Malformed)),
            ("http://[::1]", "::1", Err(MalformedHost)),
        ],
    );
}

#[test]
fn trailing_dot_makes_another_host() {
    confirm(
        &guard(),
        [
            ("https://example.com.", "example.com.", LET_IN),
            ("https://example.com.", "example.com", Err(CrossOrigin)),
            ("https://example.com", "example.com.", Err(CrossOrigin)),
            ("https://example.com..", "example.com", Err(Malformed)),
            ("https://example..com", "example.com", Err(Malformed)),
            ("https://.example.com", "example.com", Err(Malformed)),
            ("https://.", "example.com", Err(Malformed)),
        ],
    );
}

#[test]
fn invalid_origin_is_malformed() {
    let malformed = [
        "",
        "example.com",
        "//example.com",
        "https:example.com",
        "https:/example.com",
        "https:///example.com",
        "https://",
        "https://example.com/",
        "https://example.com/chat",
        "https://example.com#",
        "https://example.com?",
        "https://user@example.com",
        "https://user:pass@example.com",
        "://example.com",
        "1http://example.com",
        "ht_tp://example.com",
        "https://*.example.com",
        "https://*",
        "*",
        "NULL",
        "Null",
        "null.",
        "undefined",
        "https://exam\tple.com",
        "https://example.com\thttps://example.com",
        "https://https://example.com",
        "file:///",
        "file:",
    ];
    for origin in malformed {
        assert_eq!(guard().check(&request("example.com", origin)), Err(Malformed), "{origin:?}");
    }
    // Not ASCII: obs-text, UTF-8 or not.
    for origin in [&b"https://ex\xe4mple.com"[..], "https://exämple.com".as_bytes(), b"https://example.com\xa0"] {
        assert_eq!(guard().check(&request("example.com", origin)), Err(Malformed));
    }
    // Whitespace around a value is not part of it (RFC 9110 §5.5).
    for origin in ["\thttps://example.com", "https://example.com \t"] {
        assert_eq!(guard().check(&request("example.com", origin)), LET_IN, "{origin:?}");
    }
    assert_eq!(guard().check(&request(" example.com\t", "https://example.com")), LET_IN);
}

#[test]
fn more_than_one_origin_is_refused_even_if_each_is_allowed() {
    let own = "https://example.com";
    for both in ["https://example.com https://evil.com", "https://example.com https://example.com"] {
        assert_eq!(guard().check(&request("example.com", both)), Err(Several), "{both:?}");
        for comma in [", ", ","] {
            assert_eq!(guard().check(&request("example.com", both.replace(' ', comma))), Err(Several), "{both:?}");
        }
    }
    assert_eq!(guard().allow_null(true).check(&request("example.com", "null null")), Err(Several));
    for other in [own, "https://evil.com", "null", ""] {
        for name in ["origin", "sec-websocket-origin"] {
            let mut twice = request("example.com", own);
            twice.headers_mut().append(name, other.parse().unwrap());
            assert_eq!(guard().check(&twice), Err(Several), "{name}: {other:?}");
        }
    }
}

#[test]
fn hybi_7_and_8_have_a_separate_origin_header() {
    for (origin, verdict) in [
        ("http://example.com", LET_IN),
        ("http://evil.com", Err(CrossOrigin)),
        ("null", Err(Null)),
        ("http://example.com/", Err(Malformed)),
    ] {
        for version in ["7", "8", "13"] {
            let request = Handshake::hybi(version).with("Sec-WebSocket-Origin", origin).request();
            assert_eq!(guard().check(&request), verdict, "{version} {origin}");
        }
    }
}

#[test]
fn null_is_refused_until_it_is_allowed() {
    assert_eq!(guard().check(&request("example.com", "null")), Err(Null));
    assert_eq!(guard().check(&request("null", "null")), Err(Null));
    assert_eq!(allowing("https://null").check(&request("example.com", "null")), Err(Null));
    let allowing = guard().allow_null(true);
    confirm(
        &allowing,
        [
            ("null", "example.com", LET_IN),
            ("https://example.com", "example.com", LET_IN),
            ("https://evil.com", "example.com", Err(CrossOrigin)),
            ("NULL", "example.com", Err(Malformed)),
            ("", "example.com", Err(Malformed)),
            ("file://", "example.com", Err(CrossOrigin)),
        ],
    );
    assert_eq!(allowing.allow_null(false).check(&request("example.com", "null")), Err(Null));
}

#[test]
fn request_without_an_origin_is_accepted() {
    assert_eq!(guard().check(&without_origin("example.com")), LET_IN);
    let requiring = guard().require_origin(true);
    assert_eq!(requiring.check(&without_origin("example.com")), Err(Missing));
    assert_eq!(requiring.check(&request("example.com", "")), Err(Malformed));
    assert_eq!(requiring.check(&request("example.com", "https://example.com")), LET_IN);
    assert_eq!(requiring.clone().allow_any().check(&without_origin("example.com")), Err(Missing));
    assert_eq!(requiring.require_origin(false).check(&without_origin("example.com")), LET_IN);
}

#[test]
fn all_origins_can_be_allowed() {
    let any = guard().allow_any();
    for origin in ["https://evil.com", "null", "", "no origin at all", "https://a https://b"] {
        assert_eq!(any.check(&request("example.com", origin)), LET_IN, "{origin:?}");
    }
    assert_eq!(any.check(&without_origin("exa mple.com")), LET_IN);
    assert_eq!(localhost().allow_any().check(&request("evil.com", "https://evil.com")), Err(Host));
}

#[test]
fn scheme_counts_if_it_is_known() {
    for (secure, good, bad) in [(true, "https", "http"), (false, "http", "https"), (true, "wss", "ws")] {
        let guard = guard().secure(secure);
        let origin = |scheme, rest| format!("{scheme}://{rest}");
        assert_eq!(guard.check(&request("example.com", origin(good, "example.com"))), LET_IN);
        assert_eq!(guard.check(&request("example.com:8000", origin(good, "example.com:8000"))), LET_IN);
        assert_eq!(guard.check(&request("example.com", origin(bad, "example.com"))), Err(CrossOrigin));
        assert_eq!(guard.check(&request("example.com:8000", origin(bad, "example.com:8000"))), Err(CrossOrigin));
    }
    // Explicitly allowed origins stay allowed.
    let guard = allowing("http://localhost:3000").secure(true);
    assert_eq!(guard.check(&request("example.com", "http://localhost:3000")), LET_IN);
}

#[test]
fn request_target_takes_precedence_over_its_host() {
    // RFC 9112 §3.2.2.
    let own = "http://example.com";
    for (target, host, origin, verdict) in [
        ("http://example.com/chat", "example.com", own, LET_IN),
        ("http://example.com/chat", "evil.com", own, LET_IN),
        ("http://example.com/chat", "evil.com", "http://evil.com", Err(CrossOrigin)),
        ("http://evil.com/chat", "example.com", own, Err(CrossOrigin)),
        ("http://EXAMPLE.com:80/chat", "evil.com", own, LET_IN),
        ("http://example.com:8080/chat", "example.com", own, Err(CrossOrigin)),
        ("http://user@example.com/chat", "example.com", own, Err(MalformedHost)),
    ] {
        assert_eq!(guard().check(&absolute(target, host, origin)), verdict, "{target} {host} {origin}");
    }
    let rebound = absolute("http://evil.com/chat", "localhost", "http://evil.com");
    assert_eq!(localhost().check(&rebound), Err(Host));
}

#[test]
fn missing_or_malformed_host_matches_nothing() {
    let malformed =
        ["", ":80", "user@example.com", "example.com@evil.com", "exa mple.com", "example.com/", "a, b", "[::1", "a:b"];
    for host in malformed {
        assert_eq!(guard().check(&request(host, "https://example.com")), Err(MalformedHost), "{host:?}");
        assert_eq!(localhost().check(&without_origin(host)), Err(MalformedHost), "{host:?}");
        // If it is not compared with anything, the handshake fails later.
        assert_eq!(guard().check(&without_origin(host)), LET_IN, "{host:?}");
    }
    let missing = Handshake::hybi("13").without("Host").with("Origin", "https://example.com");
    let twice = missing.clone().with("Host", "example.com").with("Host", "example.com");
    for handshake in [missing, twice] {
        assert_eq!(guard().check(&handshake.request()), Err(MalformedHost));
        assert_eq!(localhost().check(&handshake.without("Origin").request()), Err(MalformedHost));
    }
    let obs_text = Request::builder().header("host", HeaderValue::from_bytes(b"ex\xe4mple.com").unwrap());
    assert_eq!(localhost().check(&obs_text.body(()).unwrap()), Err(MalformedHost));
}

#[test]
fn authority_is_compared_on_http_2() {
    assert_eq!(guard().check(&http2("example.com", "https://example.com")), LET_IN);
    assert_eq!(guard().check(&http2("example.com:8443", "https://example.com:8443")), LET_IN);
    assert_eq!(guard().check(&http2("example.com", "https://evil.com")), Err(CrossOrigin));
    assert_eq!(guard().check(&http2("user@example.com", "https://example.com")), Err(MalformedHost));
    assert_eq!(localhost().check(&http2("localhost:8080", "http://localhost:8080")), LET_IN);
    assert_eq!(localhost().check(&http2("evil.com", "https://evil.com")), Err(Host));
    // RFC 9113 §8.3.1: both must be the same.
    for (host, verdict) in
        [("example.com", LET_IN), ("EXAMPLE.com", LET_IN), ("evil.com", Err(MalformedHost)), ("", Err(MalformedHost))]
    {
        let mut both = http2("example.com", "https://example.com");
        both.headers_mut().insert("host", host.parse().unwrap());
        assert_eq!(guard().check(&both), verdict, "{host:?}");
    }
    // A proxy may send a Host instead of an authority.
    let mut host = http2("example.com", "https://example.com");
    *host.uri_mut() = "/chat".parse().unwrap();
    assert_eq!(guard().check(&host), Err(MalformedHost));
    host.headers_mut().insert("host", "example.com".parse().unwrap());
    assert_eq!(guard().check(&host), LET_IN);
}

#[test]
fn refusal_contains_the_reason_and_repeats_nothing() {
    for refusal in [CrossOrigin, Null, Missing, Malformed, Several, Host, MalformedHost] {
        let response = refusal.to_response();
        let status = if refusal == MalformedHost { 400 } else { 403 };
        assert_eq!((response.status().as_u16(), refusal.status().as_u16()), (status, status));
        assert_eq!(response.headers().len(), 1);
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        assert_eq!(*response.body(), format!("{refusal}\n"));
        assert_eq!(response.body().lines().count(), 1);
    }
}

#[test]
fn guard_and_its_clones_do_not_affect_each_other() {
    let strict = guard();
    let lax = strict.clone().allow_any();
    assert_eq!(strict.check(&request("example.com", "https://evil.com")), Err(CrossOrigin));
    assert_eq!(lax.check(&request("example.com", "https://evil.com")), LET_IN);
}

proptest! {
    /// Whatever a page's origin is, it is only accepted as what it is.
    #[test]
    fn origin_of_another_host_is_never_accepted(parts in vec(select(PARTS), 1..7)) {
        let origin = parts.concat();
        let guard = allowing("https://*.example.com").allow("http://localhost:*").unwrap();
        if guard.check(&request("server.test:8080", &origin)).is_ok() {
            let origin = origin.trim();
            let url: http::Uri = origin.parse().expect("a URL");
            let (scheme, host, port) = (url.scheme_str().unwrap(), url.host().unwrap(), url.port_u16());
            let is_below = scheme == "https" && host.ends_with(".example.com") && matches!(port, None | Some(443));
            let is_local = scheme == "http" && host == "localhost";
            let is_own = host == "server.test" && port == Some(8080);
            prop_assert!(is_below || is_local || is_own, "{origin:?}");
            prop_assert!(!origin.contains(['@', '#', '?', '*', '\\', ' ', ',']) && url.path() == "/", "{origin:?}");
        }
    }
}
