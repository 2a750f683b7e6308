//! Every response that a client rejects, by name (RFC 6455 §4.1), and unusual ones that it accepts.

use std::sync::LazyLock;

use websocket_driver::{Event, HeadError, ReadyState, ResponseFault, SendError, Version};
use websocket_tests::chain::chain;
use websocket_tests::wire::ACCEPT;

use crate::session::{Client, Reply, config, refusal};

/// A response and the resulting error.
pub(crate) struct Refused {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    fault: ResponseFault,
    status: Option<u16>,
    code: u16,
    body: Vec<u8>,
    hint: Option<&'static str>,
}

impl Refused {
    fn new(name: &'static str, bytes: Vec<u8>, fault: ResponseFault, status: Option<u16>) -> Self {
        Self { name, bytes, fault, status, code: 1002, body: Vec::new(), hint: None }
    }

    /// Creates an invalid 101.
    fn wrong(name: &'static str, reply: Reply, fault: ResponseFault) -> Self {
        Self::new(name, reply.bytes(), fault, Some(101))
    }

    /// Creates a response with another status and without a body.
    fn status(name: &'static str, reply: Reply, status: u16) -> Self {
        Self::new(name, reply.with("Content-Length", "0").bytes(), ResponseFault::Status, Some(status))
    }

    /// Creates data that is not a head. It is reported as the body.
    fn noise(name: &'static str, bytes: &[u8], fault: ResponseFault, code: u16) -> Self {
        Self { body: bytes.to_vec(), code, ..Self::new(name, bytes.to_vec(), fault, None) }
    }

    fn hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    fn body(self, body: impl AsRef<[u8]>) -> Self {
        Self { body: body.as_ref().to_vec(), ..self }
    }
}

/// The first bytes of an HTTP/2 server: SETTINGS with three entries.
const HTTP2: [u8; 27] = [0, 0, 18, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 128, 0, 4, 0, 1, 0, 0, 0, 5, 0, 255, 255, 255];

/// A fatal TLS 1.2 alert, decode_error.
const TLS_ALERT: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 50];

pub(crate) static REFUSED: LazyLock<Vec<Refused>> = LazyLock::new(|| {
    use ResponseFault as Fault;
    let right = Reply::right;
    let mut all = vec![
        Refused::status("200", Reply::status("200 OK"), 200),
        Refused::status("403", Reply::status("403 Forbidden"), 403),
        Refused::status("a status of no class", Reply::status("999 Odd"), 999),
        Refused::status("200 with all headers right", right().into_status("200 OK"), 200),
        Refused::status("HTTP/1.0 503", Reply::line("HTTP/1.0 503 Service Unavailable"), 503)
            .hint("response is HTTP/1.0, possibly from a proxy"),
        Refused::status("HTTP/1.0 503 by a proxy", Reply::line("HTTP/1.0 503 No").with("Via", "1.0 squid"), 503)
            .hint("Via: 1.0 squid"),
        Refused::status("401", Reply::status("401 Unauthorized").with("WWW-Authenticate", "Basic realm=\"x\""), 401)
            .hint("WWW-Authenticate: Basic realm=\"x\""),
        Refused::status("401 without a challenge", Reply::status("401 Unauthorized"), 401),
        Refused::status("426", Reply::status("426 Upgrade Required").with("Sec-WebSocket-Version", "8, 7"), 426)
            .hint("supported versions: 8, 7"),
        Refused::status("426 without versions", Reply::status("426 Upgrade Required"), 426),
        Refused::new("204", Reply::status("204 No Content").bytes(), Fault::Status, Some(204)),
        Refused::new("304", Reply::status("304 Not Modified").bytes(), Fault::Status, Some(304)),
        Refused::status("300 without a location", Reply::status("300 Multiple Choices"), 300),
        Refused::new(
            "a body of 5",
            Reply::status("500 No").with("Content-Length", "5").then("hello"),
            Fault::Status,
            Some(500),
        )
        .body("hello"),
        Refused::noise("HTTP/2", &HTTP2, Fault::NotHttp, 1002).hint("server speaks HTTP/2"),
        Refused::noise("HTTP/2 without settings", &[0, 0, 0, 4, 0, 0, 0, 0, 0], Fault::NotHttp, 1002)
            .hint("server speaks HTTP/2"),
        Refused::noise("a TLS alert", &TLS_ALERT, Fault::NotHttp, 1002).hint("server speaks TLS, use a wss: URL"),
        Refused::noise("SSH", b"SSH-2.0-OpenSSH_9.2p1\r\n", Fault::NotHttp, 1002),
        Refused::noise("SMTP", b"220 mail.example.com ESMTP\r\n", Fault::NotHttp, 1002),
        Refused::noise("ICY", b"ICY 200 OK\r\n\r\n", Fault::NotHttp, 1002),
        Refused::noise("HTTP/2 in words", b"HTTP/2 101 Switching Protocols\r\n\r\n", Fault::NotHttp, 1002),
        Refused::noise("a request", b"GET / HTTP/1.1\r\n\r\n", Fault::NotHttp, 1002),
        Refused::noise("one wrong byte", b"x", Fault::NotHttp, 1002),
        Refused::noise("lower case", b"http/1.1 101 OK\r\n\r\n", Fault::NotHttp, 1002),
        Refused::noise("an empty line first", b"\r\nHTTP/1.1 101 OK\r\n\r\n", Fault::NotHttp, 1002),
        Refused::noise("nothing", b"", Fault::Ended, 1006),
        Refused::noise("one right byte", b"H", Fault::Ended, 1006),
        Refused::noise("half a status line", b"HTTP/1.1 101 Switch", Fault::Ended, 1006),
        Refused::noise("a head without its end", &right().bytes()[..right().bytes().len() - 2], Fault::Ended, 1006),
        Refused::wrong("no Upgrade", right().without("Upgrade"), Fault::Upgrade),
        Refused::wrong("another Upgrade", right().set("Upgrade", "h2c"), Fault::Upgrade),
        Refused::wrong("an Upgrade that begins right", right().set("Upgrade", "websocket2"), Fault::Upgrade),
        Refused::wrong("an empty Upgrade", right().set("Upgrade", ""), Fault::Upgrade),
        Refused::wrong("no Connection", right().without("Connection"), Fault::Connection),
        Refused::wrong("another Connection", right().set("Connection", "keep-alive"), Fault::Connection),
        Refused::wrong("a Connection that begins right", right().set("Connection", "upgraded"), Fault::Connection),
        Refused::wrong("no accept", right().without("Sec-WebSocket-Accept"), Fault::Accept),
        Refused::wrong(
            "a wrong accept",
            right().set("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOp="),
            Fault::Accept,
        ),
        Refused::wrong(
            "an accept in another case",
            right().set("Sec-WebSocket-Accept", ACCEPT.to_lowercase()),
            Fault::Accept,
        ),
        Refused::wrong("an accept cut short", right().set("Sec-WebSocket-Accept", &ACCEPT[..27]), Fault::Accept),
        Refused::wrong(
            "an accept that goes on",
            right().set("Sec-WebSocket-Accept", format!("{ACCEPT}x")),
            Fault::Accept,
        ),
        Refused::wrong(
            "an accept in quotes",
            right().set("Sec-WebSocket-Accept", format!("\"{ACCEPT}\"")),
            Fault::Accept,
        ),
        Refused::wrong("an empty accept", right().set("Sec-WebSocket-Accept", ""), Fault::Accept),
        Refused::wrong("the accept twice", right().with("Sec-WebSocket-Accept", ACCEPT), Fault::Accept),
        Refused::wrong("a wrong accept behind the right one", right().with("Sec-WebSocket-Accept", "x"), Fault::Accept),
    ];
    for (name, status) in [("301", 301), ("302", 302), ("303", 303), ("307", 307), ("308", 308)] {
        let reply = Reply::status(&format!("{status} Moved")).with("Location", "wss://example.com/");
        all.push(Refused::status(name, reply, status).hint("Location: wss://example.com/"));
    }
    for (name, protocol) in
        [("never offered", "soap"), ("in another case", "A"), ("a list", "a, b"), ("a comma", ","), ("with more", "ab")]
    {
        let reply = right().with("Sec-WebSocket-Protocol", protocol);
        all.push(Refused { name, ..Refused::wrong(name, reply, Fault::Protocol) });
    }
    let two = right().with("Sec-WebSocket-Protocol", "a").with("Sec-WebSocket-Protocol", "b");
    all.push(Refused::wrong("two subprotocols", two, Fault::Protocol));
    let malformed: [(&str, &[u8]); 6] = [
        ("no version", b"HTTP/1.\r\n\r\n"),
        ("no status", b"HTTP/1.1 \r\n\r\n"),
        ("a status of letters", b"HTTP/1.1 abc\r\n\r\n"),
        ("a status of two digits", b"HTTP/1.1 99 No\r\n\r\n"),
        ("HTTP/1.2", b"HTTP/1.2 101 OK\r\n\r\n"),
        ("a name with a space", b"HTTP/1.1 101 OK\r\nA b: c\r\n\r\n"),
    ];
    for (name, bytes) in malformed {
        let refused = Refused::new(name, bytes.to_vec(), Fault::Head(HeadError::Malformed), None);
        all.push(Refused { body: bytes.to_vec(), ..refused });
    }
    let many = (0..101).fold(Reply::status("101 OK"), |reply, _| reply.with("X", ""));
    let too_many = Fault::Head(HeadError::TooManyHeaders { limit: 100 });
    all.push(Refused { body: many.bytes(), ..Refused::new("101 headers", many.bytes(), too_many, None) });
    all
});

#[test]
fn refusal_is_reported_with_all_details() {
    for Refused { name, bytes, fault, status, code, body, hint } in REFUSED.iter() {
        let mut client = Client::started(config().protocols(["a", "b"]));
        let mut events = client.feed(bytes);
        let needs_eof = events.is_empty();
        events.extend(client.eof());
        let (error, told) = refusal(name, &events);
        assert_eq!(&error.fault, fault, "{name}");
        assert_eq!(error.status.map(|status| status.as_u16()), *status, "{name}");
        assert_eq!(told, *code, "{name}");
        assert_eq!(&error.body, body, "{name}");
        assert_eq!(error.hint().as_deref(), *hint, "{name}");
        let is_cut_off = *fault == ResponseFault::Ended || bytes.len() < 4;
        assert_eq!(needs_eof, is_cut_off, "{name}: nothing else waits for the end");

        assert_eq!(client.written(), b"", "{name}: no frame where there is no connection");
        assert!(client.driver.is_closed() && !client.driver.expects_eof(), "{name}");
        assert_eq!(client.driver.ready_state(), ReadyState::Closed);
        assert_eq!(client.driver.close_frame().map(|close| close.code.into()), Some(told), "{name}");
        assert!(client.driver.response().is_none(), "{name}");
        assert_eq!((client.driver.version(), client.driver.protocol()), (None, None), "{name}");
        assert_eq!(client.driver.send("late"), Err(SendError::Closed), "{name}");
        assert_eq!(client.feed(Reply::right().bytes()), [], "{name}: once refused it stays refused");
    }
}

#[test]
fn refusal_is_displayed_with_its_reason() {
    let rows = [
        ("403", "handshake answered with 403 Forbidden: unexpected status code"),
        (
            "401",
            "handshake answered with 401 Unauthorized (WWW-Authenticate: Basic realm=\"x\"): unexpected status code",
        ),
        (
            "307",
            "handshake answered with 307 Temporary Redirect (Location: wss://example.com/): unexpected status code",
        ),
        ("426", "handshake answered with 426 Upgrade Required (supported versions: 8, 7): unexpected status code"),
        ("HTTP/2", "handshake failed (server speaks HTTP/2): response is not HTTP/1.1"),
        ("a TLS alert", "handshake failed (server speaks TLS, use a wss: URL): response is not HTTP/1.1"),
        (
            "no Upgrade",
            "handshake answered with 101 Switching Protocols: missing \"websocket\" in Upgrade header of the response",
        ),
        (
            "no Connection",
            "handshake answered with 101 Switching Protocols: missing \"upgrade\" in Connection header of the response",
        ),
        (
            "no accept",
            "handshake answered with 101 Switching Protocols: missing or invalid Sec-WebSocket-Accept header",
        ),
        (
            "never offered",
            "handshake answered with 101 Switching Protocols: server selected a subprotocol that was not offered",
        ),
        ("nothing", "handshake failed: connection closed without a response"),
        ("101 headers", "handshake failed: HTTP head has more than 100 header fields"),
    ];
    for (name, message) in rows {
        let row = REFUSED.iter().find(|row| row.name == name).expect(name);
        let mut client = Client::started(config());
        let mut events = client.feed(&row.bytes);
        events.extend(client.eof());
        assert_eq!(chain(&refusal(name, &events).0), message);
    }
}

#[test]
fn acceptable_variations_of_responses_are_accepted() {
    let right = Reply::right;
    let rows = [
        ("as in the example", right()),
        ("Upgrade in another case", right().set("Upgrade", "WebSocket")),
        ("Upgrade in capitals", right().set("Upgrade", "WEBSOCKET")),
        ("Upgrade in a list", right().set("Upgrade", "h2c, websocket")),
        ("Connection in another case", right().set("Connection", "upgrade")),
        ("Connection in capitals", right().set("Connection", "UPGRADE")),
        ("Connection in a list", right().set("Connection", "keep-alive ,\tUpgrade")),
        ("Connection on two lines", right().set("Connection", "keep-alive").with("Connection", "Upgrade")),
        ("space around the accept", right().set("Sec-WebSocket-Accept", format!("  {ACCEPT}\t "))),
        (
            "names in lower case",
            Reply::status("101 x")
                .with("upgrade", "websocket")
                .with("connection", "upgrade")
                .with("sec-websocket-accept", ACCEPT),
        ),
        ("another reason", right().into_status("101 Web Socket Protocol Handshake")),
        ("no reason", right().into_status("101")),
        ("an empty reason", right().into_status("101 ")),
        ("no subprotocol", right().with("X-Other", "x")),
        ("an empty list of extensions", right().with("Sec-WebSocket-Extensions", "")),
        ("100 headers", (0..97).fold(right(), |reply, _| reply.with("X", "x"))),
    ];
    for (name, reply) in rows {
        let mut client = Client::started(config().protocols(["a", "b"]));
        assert_eq!(client.feed(reply.bytes()), [Event::Open], "{name}");
        assert_eq!(client.driver.version(), Some(Version::Hybi13), "{name}");
        assert_eq!(client.driver.response().expect(name).status(), 101, "{name}");
        assert_eq!(client.driver.protocol(), None, "{name}");
    }
    let bare = String::from_utf8(right().bytes()).unwrap().replace("\r\n", "\n");
    assert_eq!(Client::started(config()).feed(bare), [Event::Open], "lines without CR");
}

#[test]
fn subprotocol_without_value_is_absent() {
    for empty in ["", " ", "\t "] {
        for config in [config(), config().protocols(["a", "b"])] {
            let mut client = Client::started(config);
            let reply = Reply::right().with("Sec-WebSocket-Protocol", empty);
            assert_eq!(client.feed(reply.with("Sec-WebSocket-Protocol", empty).bytes()), [Event::Open], "{empty:?}");
            assert_eq!(client.driver.protocol(), None);
        }
        let mut client = Client::started(config().protocols(["a", "b"]));
        let reply = Reply::right().with("Sec-WebSocket-Protocol", empty).with("Sec-WebSocket-Protocol", "b");
        assert_eq!(client.feed(reply.bytes()), [Event::Open], "{empty:?}");
        assert_eq!(client.driver.protocol(), Some("b"));
    }
}

#[test]
fn offered_subprotocol_is_accepted() {
    for chosen in ["a", "b"] {
        let mut client = Client::started(config().protocols(["a", "b"]));
        assert_eq!(client.driver.protocol(), None);
        assert_eq!(client.feed(Reply::right().with("Sec-WebSocket-Protocol", chosen).bytes()), [Event::Open]);
        assert_eq!(client.driver.protocol(), Some(chosen));
    }
    let mut client = Client::started(config());
    let events = client.feed(Reply::right().with("Sec-WebSocket-Protocol", "a").bytes());
    assert_eq!(refusal("where none was offered", &events).0.fault, ResponseFault::Protocol);
}
