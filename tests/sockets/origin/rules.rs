//! Origins that are malformed, missing, `null` or repeated, and the settings for them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tower_websocket::origin::OriginRefusal::*;
use websocket_tests::wire::Handshake;

use super::verdicts::{LET_IN, allowing, confirm, guard, localhost, request, without_origin};

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
