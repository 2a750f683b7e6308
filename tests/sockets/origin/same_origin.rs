//! Pages of the same scheme, host and port as the server, and those that only look alike.

use tower_websocket::origin::OriginRefusal::*;

use super::verdicts::{LET_IN, allowing, confirm, guard, request};

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
