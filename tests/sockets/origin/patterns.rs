//! Patterns for the origins and hosts of a guard.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tower_websocket::origin::OriginRefusal::*;
use tower_websocket::origin::PatternError;

use super::verdicts::{LET_IN, allowing, confirm, guard, localhost, request, without_origin};

const PARTS: &[&str] =
    &["https", "http", "://", "://", "*", ".", "evil", "com", "evil.com", ":", "443", ":*", "https://*."];

const FOR_EVIL: [&str; 6] = [
    "https://evil.com",
    "https://evil.com:443",
    "https://evil.com:*",
    "https://*.com",
    "https://*.com:443",
    "https://*.com:*",
];

#[test]
fn other_origins_are_accepted_if_allowed() {
    let guard = allowing("https://app.example.org").allow("http://LOCALHOST:3000").unwrap();
    confirm(
        &guard,
        [
            ("https://example.com", "example.com", LET_IN),
            ("https://app.example.org", "example.com", LET_IN),
            ("HTTPS://APP.example.org:443", "example.com", LET_IN),
            ("http://localhost:3000", "example.com", LET_IN),
            // They do not need a Host to be compared with.
            ("https://app.example.org", "exa mple.com", LET_IN),
            ("http://app.example.org", "example.com", Err(CrossOrigin)),
            ("https://app.example.org:8443", "example.com", Err(CrossOrigin)),
            ("https://example.org", "example.com", Err(CrossOrigin)),
            ("https://app.example.org.", "example.com", Err(CrossOrigin)),
            ("https://app.example.org.evil.com", "example.com", Err(CrossOrigin)),
            ("https://b.app.example.org", "example.com", Err(CrossOrigin)),
            ("http://localhost:3001", "example.com", Err(CrossOrigin)),
            ("http://localhost", "example.com", Err(CrossOrigin)),
            ("https://localhost:3000", "example.com", Err(CrossOrigin)),
            ("https://app.example.org/", "example.com", Err(Malformed)),
        ],
    );
    let ipv6 = allowing("http://[0::1]:3000");
    confirm(&ipv6, [("http://[::1]:3000", "example.com", LET_IN), ("http://[::1]", "example.com", Err(CrossOrigin))]);
}

#[test]
fn wildcard_matches_all_subdomains_but_not_the_domain() {
    confirm(
        &allowing("https://*.example.com"),
        [
            ("https://a.example.com", "server", LET_IN),
            ("https://b.a.EXAMPLE.com", "server", LET_IN),
            ("https://a.example.com:443", "server", LET_IN),
            ("https://example.com", "server", Err(CrossOrigin)),
            ("https://evilexample.com", "server", Err(CrossOrigin)),
            ("https://a.evilexample.com", "server", Err(CrossOrigin)),
            ("https://a.example.com.evil.com", "server", Err(CrossOrigin)),
            ("https://a.example.com.", "server", Err(CrossOrigin)),
            ("https://com", "server", Err(CrossOrigin)),
            ("http://a.example.com", "server", Err(CrossOrigin)),
            ("https://a.example.com:8443", "server", Err(CrossOrigin)),
            ("https://.example.com", "server", Err(Malformed)),
            ("https://*.example.com", "server", Err(Malformed)),
            ("https://evil.com/.example.com", "server", Err(Malformed)),
            ("https://evil.com#.example.com", "server", Err(Malformed)),
            ("https://evil.com:443.example.com", "server", Err(Malformed)),
            ("https://evil.com\\.example.com", "server", Err(Malformed)),
        ],
    );
}

#[test]
fn port_can_be_a_wildcard() {
    confirm(
        &allowing("http://localhost:*").allow("https://*.example.com:*").unwrap(),
        [
            ("http://localhost", "server", LET_IN),
            ("http://localhost:3000", "server", LET_IN),
            ("https://a.example.com:8443", "server", LET_IN),
            ("https://a.example.com", "server", LET_IN),
            ("https://localhost:3000", "server", Err(CrossOrigin)),
            ("http://localhost.evil.com:3000", "server", Err(CrossOrigin)),
            ("http://localhost:0", "server", Err(Malformed)),
            ("http://localhost:*", "server", Err(Malformed)),
            ("http://localhost:3000@evil.com", "server", Err(Malformed)),
        ],
    );
}

#[test]
fn origins_of_other_schemes_are_only_accepted_by_name() {
    for origin in ["chrome-extension://abcdefghijklmnop", "tauri://localhost", "capacitor://localhost", "file://"] {
        assert_eq!(guard().check(&request("localhost", origin)), Err(CrossOrigin), "{origin}");
        assert_eq!(allowing(origin).check(&request("localhost", origin)), LET_IN, "{origin}");
        assert_eq!(allowing("http://localhost:*").check(&request("localhost", origin)), Err(CrossOrigin), "{origin}");
    }
    // Without a known port they are not the same origin.
    assert_eq!(guard().check(&request("localhost:8080", "tauri://localhost:8080")), Err(CrossOrigin));
}

#[test]
fn host_that_is_not_on_the_list_is_refused_whatever_the_origin() {
    for host in ["localhost", "LocalHost:8080", "127.0.0.1", "127.0.0.1:1", "[::1]:8080", "[0::1]"] {
        assert_eq!(localhost().check(&without_origin(host)), LET_IN, "{host}");
        assert_eq!(localhost().check(&request(host, format!("http://{host}"))), LET_IN, "{host}");
        assert_eq!(localhost().check(&request(host, "http://evil.com")), Err(CrossOrigin), "{host}");
    }
    for host in
        ["evil.com", "evil.com:8080", "localhost.evil.com", "localhost.", "127.0.0.2", "127.1", "0.0.0.0", "[::]"]
    {
        assert_eq!(localhost().check(&without_origin(host)), Err(Host), "{host}");
        // A page whose name was rebound has the same origin.
        assert_eq!(localhost().check(&request(host, format!("http://{host}"))), Err(Host), "{host}");
        assert_eq!(guard().check(&request(host, format!("http://{host}"))), LET_IN, "{host}");
    }
    let allowing = localhost().allow("https://app.example.com").unwrap();
    assert_eq!(allowing.check(&request("evil.com", "https://app.example.com")), Err(Host));
    // No list is different from an empty list, and the last list applies.
    let none = localhost().hosts::<[&str; 0]>([]).unwrap();
    assert_eq!(none.check(&without_origin("localhost")), Err(Host));
    assert_eq!(none.hosts(["example.com"]).unwrap().check(&without_origin("example.com")), LET_IN);
}

#[test]
fn host_on_the_list_may_have_a_port_or_a_wildcard() {
    let hosts = |hosts: &[&str]| guard().hosts(hosts).unwrap();
    for (list, host, verdict) in [
        (hosts(&["localhost:8080"]), "localhost:8080", LET_IN),
        (hosts(&["localhost:8080"]), "localhost:8081", Err(Host)),
        (hosts(&["localhost:8080"]), "localhost", Err(Host)),
        // Whether TLS is used is unknown.
        (hosts(&["example.com:443"]), "example.com", LET_IN),
        (hosts(&["example.com:80"]), "example.com", LET_IN),
        (hosts(&["example.com:443"]).secure(true), "example.com", LET_IN),
        (hosts(&["example.com:443"]).secure(false), "example.com", Err(Host)),
        (hosts(&["example.com:80"]).secure(true), "example.com", Err(Host)),
        (hosts(&["*.example.com"]), "a.example.com:8080", LET_IN),
        (hosts(&["*.example.com"]), "example.com", Err(Host)),
        (hosts(&["*.example.com"]), "evilexample.com", Err(Host)),
        (hosts(&["*.example.com:80"]), "b.a.example.com:80", LET_IN),
        (hosts(&["*.example.com:80"]), "b.a.example.com:81", Err(Host)),
    ] {
        assert_eq!(list.check(&without_origin(host)), verdict, "{list:?} {host}");
    }
}

#[test]
fn invalid_pattern_is_an_error() {
    let origin = |pattern: &str| guard().allow(pattern).map(drop).unwrap_err();
    for pattern in [
        "",
        "example.com",
        "localhost:3000",
        "https://",
        "https://example.com/",
        "https://example.com/chat",
        "https://example.com?",
        "https://user@example.com",
        "https://example.com:",
        "https://example.com:0",
        "https://example.com:99999",
        "https://bücher.example",
        "https://a b",
        " https://example.com",
        "https://[::1",
        "NULL",
    ] {
        assert_eq!(origin(pattern), PatternError::Origin(pattern.into()));
    }
    for pattern in [
        "*",
        "https://*",
        "https://*:*",
        "*://example.com",
        "https://*example.com",
        "https://a*.example.com",
        "https://a.*.com",
        "https://*.*.com",
        "https://*.",
        "https://**.example.com",
        "https://example.*",
        "https://*.example.com/",
        "https://*.[::1]",
        "http://192.168.*.*",
        "http://*.168.1.1",
        "http://*.0x1",
        "http://localhost:80*",
        "http://localhost:80:*",
        "http://localhost::*",
        "file://*.",
        "https://*.evil@example.com",
    ] {
        assert_eq!(origin(pattern), PatternError::Wildcard(pattern.into()));
    }
    assert_eq!(origin("null"), PatternError::Null);
    for host in
        ["", "::1", "http://localhost", "localhost/", "localhost:*", "a b", "*", "*.", "*.1.1", "user@host", "ü"]
    {
        let error = guard().hosts(["localhost", host]).map(drop).unwrap_err();
        assert_eq!(error, PatternError::Host(host.into()));
    }
    assert!(origin("https://example.com/").to_string().contains("https://example.com/"));
}

proptest! {
    /// A pattern accepts only what it describes.
    #[test]
    fn pattern_of_any_parts_accepts_nothing_else(parts in vec(select(PARTS), 1..9)) {
        let pattern = parts.concat();
        if let Ok(guard) = guard().allow(&pattern) {
            let is_let_in = guard.check(&request("server.test", "https://evil.com")).is_ok();
            prop_assert_eq!(is_let_in, FOR_EVIL.contains(&pattern.as_str()), "{}", pattern);
        }
    }

    #[test]
    fn any_text_may_be_tried_as_a_pattern(text in "\\PC{0,30}") {
        let _ = (guard().allow(&text), guard().hosts([&text]));
    }
}
