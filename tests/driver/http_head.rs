//! RFC 9112: the head of a request, read by the driver itself, and plain HTTP requests.

use bytes::Buf;
use websocket_driver::{Config, Driver, Event, HandshakeError, HeadError, ReadyState, ServerConfig, Version};
use websocket_tests::wire::{Answer, Handshake, VERSIONS};

use crate::session::{Session, closed, failed};

/// Feeds a head and asserts that it is refused for this reason with a valid 400 response.
#[track_caller]
fn assert_refused(config: ServerConfig, bytes: &[u8], error: HeadError) {
    let mut session = Session::reading(config);
    let error = HandshakeError::Head(error);
    assert_eq!(session.feed(bytes), failed(error.clone().into(), 1002), "{:?}", String::from_utf8_lossy(bytes));
    let written = session.written();
    let (answer, length) = Answer::read(&written).unwrap();
    assert_eq!((answer.status, answer.reason.as_str()), (400, "Bad Request"));
    assert_eq!(written[length..], *format!("{error}\n").as_bytes());
    assert_eq!(answer.all("Content-Length"), [(written.len() - length).to_string()]);
    assert_eq!(answer.all("Connection"), ["close"]);
    assert_eq!((session.feed("more"), session.driver.input().len()), (vec![], 0));
    assert!(session.driver.is_closed());
}

#[test]
fn head_that_is_not_http_is_refused() {
    for head in [
        "GET\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET / HTTP/1.2\r\n\r\n",
        "GET / http/1.1\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET /a b HTTP/1.1\r\n\r\n",
        "GET /\u{1} HTTP/1.1\r\n\r\n",
        " GET / HTTP/1.1\r\n\r\n",
        "G@T / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost example.com\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : example.com\r\n\r\n",
        "GET / HTTP/1.1\r\n: example.com\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET / HTTP/1.1\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nX Y: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}\r\n\r\n",
    ] {
        assert_refused(Config::server(), head.as_bytes(), HeadError::Malformed);
    }
}

#[test]
fn first_byte_that_cannot_begin_a_request_is_refused() {
    for (start, last) in [
        // TLS: the first byte of a ClientHello.
        ("", 0x16),
        ("\r\n\r\n", 0x16),
        ("", 0x00),
        ("", b' '),
        ("", b':'),
        ("\r", b'G'),
        ("\n\r", b'\r'),
        ("GE", b'('),
        ("GET", b'\r'),
        ("GET", b'\n'),
        // A PROXY protocol header, version 2.
        ("\r\n\r\n", 0x00),
    ] {
        let mut session = Session::reading(Config::server());
        assert_eq!(session.feed(start), []);
        assert_eq!(session.written(), []);
        let error = HandshakeError::Head(HeadError::Malformed);
        assert_eq!(session.feed([last]), failed(error.into(), 1002), "{start:?} {last:#x}");
        assert!(session.written().starts_with(b"HTTP/1.1 400 Bad Request\r\n"));
    }
    // Any token is a valid method.
    let mut session = Session::reading(Config::server());
    assert_eq!(session.feed_slowly(b"M-SEARCH!#$%&'*+.^_`|~0123456789abc * HTTP/1.1\r\n\r\n")[0].1, Event::Connect);
}

#[test]
fn empty_lines_before_the_request_and_lines_without_cr_are_accepted() {
    let head = Handshake::of(Version::Hybi13).head();
    let bare: Vec<u8> = head.iter().copied().filter(|&byte| byte != b'\r').collect();
    let mixed = |end: &str| [&bare[..bare.len() - 2], end.as_bytes()].concat();
    for bytes in [
        [&b"\r\n\r\n\r\n"[..], &head].concat(),
        [&b"\n\r\n\n"[..], &head].concat(),
        mixed("\n\r\n"),
        mixed("\r\n\n"),
        bare.clone(),
    ] {
        let mut session = Session::reading(Config::server());
        assert_eq!(session.feed(&bytes), [Event::Connect, Event::Open]);
        assert_eq!(session.driver.request().unwrap().headers()["upgrade"], "websocket");
        let mut session = Session::reading(Config::server());
        assert_eq!(session.feed_slowly(&bytes), [(bytes.len(), Event::Connect), (bytes.len(), Event::Open)]);
    }
}

#[test]
fn request_is_returned_unchanged() {
    let handshake = Handshake::of(Version::Hybi13).with("X-Twice", "a").with("x-twice", b"b\xff").with("X-Empty", "");
    let mut session = Session::reading(Config::server());
    session.feed(Handshake { target: "/a%20b?q=1&r".into(), ..handshake.clone() }.bytes());
    let request = session.driver.request().unwrap();
    assert_eq!((request.method().as_str(), request.uri().to_string().as_str()), ("GET", "/a%20b?q=1&r"));
    assert_eq!(request.version(), http::Version::HTTP_11);
    assert_eq!(request.headers(), handshake.request().headers());
    assert_eq!(session.driver.take_request().unwrap().uri(), "/a%20b?q=1&r");
    assert!(session.driver.request().is_none());
}

#[test]
fn head_size_limit_is_exact() {
    for version in VERSIONS {
        let mut handshake = Handshake::of(version);
        handshake.body.clear();
        let short = handshake.with("X-Fill", "");
        let fill = |length: usize| short.clone().set("X-Fill", "x".repeat(length)).head();
        let limit = 1000;
        let config = Config::server().allow_drafts(true).max_head_size(limit);
        let head = fill(limit - short.head().len());
        assert_eq!(head.len(), limit);
        assert_eq!(Session::reading(config.clone()).feed(head)[0], Event::Connect);
        assert_refused(config.clone(), &fill(limit + 1 - short.head().len()), HeadError::TooLarge { limit });
        // It does not wait for a byte beyond the limit.
        let endless = fill(2000);
        let mut session = Session::reading(config);
        assert_eq!(session.feed(&endless[..limit - 1]), []);
        assert_eq!(session.feed(&endless[limit - 1..limit]).len(), 2);
    }
}

#[test]
fn head_beyond_its_limit_fails_alike_however_it_arrives() {
    for limit in 2..40 {
        for head in ["GET\t/ HTTP/1.1\r\n", "GETGETGETGETGETGETGETGETGETGETGETGETGET / HTTP/1.1\r\n", "\r\n\r\nGE\u{1}"]
        {
            let outcomes = [1, 2, 3, 7, head.len()].map(|size| {
                let mut session = Session::reading(Config::server().max_head_size(limit));
                head.as_bytes().chunks(size).flat_map(|piece| session.feed(piece)).collect::<Vec<_>>()
            });
            assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{limit}, {head:?}: {outcomes:?}");
            assert_eq!(outcomes[0].len(), if outcomes[0].is_empty() { 0 } else { 2 });
        }
    }
}

#[test]
fn head_field_limit_is_exact() {
    let handshake = Handshake::of(Version::Hybi13);
    let fill = |count: usize| (handshake.headers.len()..count).fold(handshake.clone(), |all, _| all.with("X", ""));
    let config = Config::server().max_headers(20);
    assert_eq!(Session::reading(config.clone()).feed(fill(20).head()), [Event::Connect, Event::Open]);
    assert_refused(config, &fill(21).head(), HeadError::TooManyHeaders { limit: 20 });
    assert_eq!(Session::reading(Config::server()).feed(fill(100).head()), [Event::Connect, Event::Open]);
    assert_refused(Config::server(), &fill(101).head(), HeadError::TooManyHeaders { limit: 100 });
}

#[test]
fn plain_http_is_left_to_the_application_with_following_bytes() {
    for (head, body) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /next HTTP/1.1\r\n"),
        ("POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", "a=b&c"),
        ("GET / HTTP/1.0\r\n\r\n", ""),
    ] {
        for whole in [true, false] {
            let mut driver = Driver::server(Config::server());
            driver.receive(format!("{head}{}", if whole { body } else { "" }).as_bytes());
            assert_eq!((driver.poll_event(), driver.poll_event()), (Some(Event::Connect), None));
            assert!(!websocket_driver::is_handshake(driver.request().unwrap()));
            if !whole {
                driver.receive(body.as_bytes());
            }
            assert_eq!(driver.poll_event(), None);
            assert_eq!(&driver.input()[..], body.as_bytes());
            assert_eq!(driver.ready_state(), ReadyState::Connecting);
            assert!(!driver.output().has_remaining(), "the answer is the application's");
        }
    }
}

#[test]
fn plain_http_is_refused_if_started() {
    let mut session = Session::reading(Config::server());
    let events = session.feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(events[1..], failed(HandshakeError::Connection.into(), 1002));
    assert!(session.written().starts_with(b"HTTP/1.1 400 Bad Request\r\n"));
}

#[test]
fn end_within_the_head_is_1006_and_writes_nothing() {
    let head = Handshake::of(Version::Hybi13).head();
    for count in 0..head.len() {
        let mut session = Session::reading(Config::server());
        session.driver.receive(&head[..count]);
        assert_eq!(session.eof(), [closed(1006, "")]);
        assert_eq!(session.written(), []);
    }
}

#[test]
fn head_byte_by_byte_is_read_in_linear_time() {
    // Restarting the search for the end at every byte would take minutes.
    let head = Handshake::of(Version::Hybi13).with("X-Fill", "x".repeat(1 << 20)).head();
    let mut session = Session::reading(Config::server().max_head_size(2 << 20));
    assert_eq!(session.feed_slowly(&head).len(), 2);
}

#[test]
fn head_read_by_an_http_stack_is_checked_against_the_same_limits() {
    for version in VERSIONS {
        let right = Handshake::of(version).with("X-Filler", "x".repeat(100));
        // Without optional parts: the CR of each line, and the space after each colon.
        let count = right.headers.len();
        let size = right.head().len() - (count + 2) - count;
        let accept = |handshake: &Handshake, max_head_size, max_headers| {
            let config = Config::server().allow_drafts(true).max_head_size(max_head_size).max_headers(max_headers);
            websocket_tests::accept(&handshake.request(), config)
                .map(drop)
                .map_err(|error| (error.status().as_u16(), error))
        };
        assert_eq!(accept(&right, size, count), Ok(()));
        let too_large = HeadError::TooLarge { limit: size - 1 };
        assert_eq!(accept(&right, size - 1, count), Err((400, HandshakeError::from(too_large))));
        let too_many = HeadError::TooManyHeaders { limit: count - 1 };
        assert_eq!(accept(&right, size, count - 1), Err((400, HandshakeError::from(too_many))));
        // The length of the target counts as well.
        let target = Handshake { target: format!("/{}", "x".repeat(size)), ..right };
        assert_eq!(accept(&target, size, count), Err((400, HandshakeError::from(HeadError::TooLarge { limit: size }))));
    }
}
