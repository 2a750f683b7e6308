//! The host that a request is for: of its target, `:authority` and `Host`.

use http::{HeaderValue, Request, Version};
use tower_websocket::origin::OriginRefusal::*;
use websocket_tests::wire::Handshake;

use super::verdicts::{LET_IN, guard, localhost, request, without_origin};

fn absolute(target: &str, host: &str, origin: &str) -> Request<()> {
    let mut request = request(host, origin);
    *request.uri_mut() = target.parse().expect("a URI");
    request
}

/// As parsed by hyper: `:authority` is part of the URI.
fn http2(authority: &str, origin: &str) -> Request<()> {
    let mut request = absolute(&format!("https://{authority}/chat"), "unused", origin);
    request.headers_mut().remove("host");
    *request.version_mut() = Version::HTTP_2;
    request
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
