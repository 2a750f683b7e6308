//! Parsing of URLs: host, path, credentials, or an error (RFC 6455 §3).

use websocket_driver::{Driver, UrlError};

use crate::request::{head, values};
use crate::session::{Client, config, uri};

#[test]
fn host_has_no_default_port_and_keeps_its_brackets() {
    let rows = [
        ("ws://example.com/", "example.com"),
        ("ws://example.com:80/", "example.com"),
        ("ws://example.com:443/", "example.com:443"),
        ("ws://example.com:8080/", "example.com:8080"),
        ("ws://example.com:/", "example.com"),
        ("wss://example.com/", "example.com"),
        ("wss://example.com:443/", "example.com"),
        ("wss://example.com:80/", "example.com:80"),
        ("http://example.com:80/", "example.com"),
        ("http://example.com:443/", "example.com:443"),
        ("https://example.com:443/", "example.com"),
        ("https://example.com:80/", "example.com:80"),
        ("ws://127.0.0.1:9001/", "127.0.0.1:9001"),
        ("ws://[::1]/", "[::1]"),
        ("ws://[::1]:80/", "[::1]"),
        ("ws://[::1]:8080/", "[::1]:8080"),
        ("wss://[2001:db8::7]:443/", "[2001:db8::7]"),
        ("ws://user@[::1]/", "[::1]"),
        // RFC 6874 §4: a zone is not sent to the server.
        ("ws://[fe80::1%25eth0]/", "[fe80::1]"),
        ("ws://[fe80::1%eth0]:8080/", "[fe80::1]:8080"),
        ("wss://[fe80::1%251]:443/", "[fe80::1]"),
        ("ws://user@[fe80::1%25]/", "[fe80::1]"),
        ("ws://user:80@example.com/", "example.com"),
        ("ws://user:1@example.com:81/", "example.com:81"),
        ("ws://Example.COM/", "Example.COM"),
    ];
    for (url, host) in rows {
        assert_eq!(values(&head(url, config()), "Host"), [host], "{url}");
    }
}

#[test]
fn path_and_query_are_written_unchanged() {
    let rows = [
        ("ws://example.com", "/"),
        ("ws://example.com/", "/"),
        ("ws://example.com/?", "/?"),
        ("ws://example.com/?x=1", "/?x=1"),
        ("ws://example.com/a/../b//c", "/a/../b//c"),
        ("ws://example.com/%2F%00?a=%26&b=c+d?e", "/%2F%00?a=%26&b=c+d?e"),
        ("ws://example.com/a;b=c,d", "/a;b=c,d"),
        ("ws://user:secret@example.com/a", "/a"),
        // A fragment has no meaning here, and `Uri` drops it.
        ("ws://example.com/a#b", "/a"),
    ];
    for (url, path) in rows {
        let head = head(url, config());
        assert_eq!(head.split("\r\n").next(), Some(&format!("GET {path} HTTP/1.1")[..]), "{url}");
    }
}

#[test]
fn path_and_query_are_percent_encoded_if_a_request_line_needs_it() {
    let rows = [
        ("ws://example.com/ä", "/%C3%A4"),
        ("ws://example.com/日本?q=日本", "/%E6%97%A5%E6%9C%AC?q=%E6%97%A5%E6%9C%AC"),
        ("ws://example.com?ä", "/?%C3%A4"),
        ("ws://example.com/%C3%A4/ä%2F", "/%C3%A4/%C3%A4%2F"),
        ("ws://example.com/😀", "/%F0%9F%98%80"),
        ("ws://example.com/{\"a\":1}", "/%7B%22a%22:1%7D"),
        ("ws://example.com/a|b^c", "/a%7Cb%5Ec"),
        ("ws://example.com/a?\u{80}", "/a?%C2%80"),
    ];
    for (url, path) in rows {
        let head = head(url, config());
        assert_eq!(head.split("\r\n").next(), Some(&format!("GET {path} HTTP/1.1")[..]), "{url}");
    }
}

#[test]
fn user_and_password_are_decoded_and_become_basic_credentials() {
    // RFC 7617 §2.
    let rows = [
        ("Aladdin:open%20sesame", Some("QWxhZGRpbjpvcGVuIHNlc2FtZQ==")),
        ("test:123%C2%A3", Some("dGVzdDoxMjPCow==")),
        ("user", Some("dXNlcjo=")),
        ("user:", Some("dXNlcjo=")),
        ("us%20er", Some("dXMgZXI6")),
        ("user:p%40ss%3Aw%2Frd", Some("dXNlcjpwQHNzOncvcmQ=")),
        ("user:p%40ss:w%2frd", Some("dXNlcjpwQHNzOncvcmQ=")),
        ("%C3%BC:%c3%9f", Some("w7w6w58=")),
        (":only", Some("Om9ubHk=")),
    ];
    for (userinfo, credentials) in rows {
        let head = head(&format!("ws://{userinfo}@example.com/"), config());
        let expected: Vec<String> = credentials.iter().map(|credentials| format!("Basic {credentials}")).collect();
        assert_eq!(values(&head, "Authorization"), expected, "{userinfo}");
        assert_eq!(head.matches("example.com").count(), 1, "{head}");
        assert!(!head.contains('@'), "{head}");
    }
    assert_eq!(values(&head("ws://example.com/", config()), "Authorization"), [""; 0]);
}

#[test]
fn password_is_not_in_debug_output() {
    let mut client = Client { driver: Driver::client(&uri("ws://user:secret@example.com/"), config()).expect("a URL") };
    let debug = format!("{:?}", client.driver);
    client.driver.start().unwrap();
    client.written();
    for debug in [debug, format!("{:?}", client.driver)] {
        assert!(!debug.contains("dXNlcjpzZWNyZXQ") && !debug.contains("secret"), "{debug}");
    }
}

#[test]
fn invalid_websocket_url_is_refused() {
    let scheme = || UrlError::Scheme { expected: "ws, wss, http, https" };
    let rows = [
        ("ftp://example.com/", scheme(), "unsupported URL scheme, expected one of ws, wss, http, https"),
        ("wsx://example.com/", scheme(), "unsupported URL scheme, expected one of ws, wss, http, https"),
        ("/chat", scheme(), "unsupported URL scheme, expected one of ws, wss, http, https"),
        ("example.com:80", scheme(), "unsupported URL scheme, expected one of ws, wss, http, https"),
        ("*", scheme(), "unsupported URL scheme, expected one of ws, wss, http, https"),
        ("ws://:80/", UrlError::Host, "URL has no host"),
        ("ws://user@:80/", UrlError::Host, "URL has no host"),
        ("ws://us%00er@example.com/", UrlError::Characters, "invalid character in the URL's user or host"),
    ];
    for (url, error, message) in rows {
        let refused = Driver::client(&uri(url), config()).expect_err(url);
        assert_eq!(refused, error.into(), "{url}");
        assert_eq!(refused.to_string(), message);
    }
}
