//! What a refusal keeps of the answer: its headers, and the first 4 KiB of its body; and that its head is bounded.

use websocket_driver::{Event, HeadError, ResponseFault};

use crate::session::{Client, Reply, config, feed_in_pieces, refusal};

const KEPT: usize = 4 * 1024;

fn forbidden() -> Reply {
    Reply::status("403 Forbidden").with("X-One", "1").with("Set-Cookie", "a").with("Set-Cookie", "b")
}

#[test]
fn all_headers_are_kept() {
    let events = Client::started(config()).feed(forbidden().with("Content-Length", "0").bytes());
    let (error, _) = refusal("403", &events);
    assert_eq!(error.headers["x-one"], "1");
    assert_eq!(error.headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(error.headers.len(), 4);
    let events = Client::started(config()).feed(Reply::right().without("Upgrade").with("X-One", "1").bytes());
    assert_eq!(refusal("no Upgrade", &events).0.headers["x-one"], "1");
}

/// Feeds an answer in two pieces, the second of which is `body`; tells what is kept of it, and whether that waited for the
/// end of the transport.
fn kept(reply: &Reply, body: &[u8]) -> (Vec<u8>, bool) {
    let mut client = Client::started(config());
    let mut events = client.feed(reply.bytes());
    events.extend(client.feed(body));
    let waited = events.is_empty();
    events.extend(client.eof());
    (refusal("a body", &events).0.body.to_vec(), waited)
}

#[test]
fn the_body_is_awaited_as_long_as_it_is_and_the_end_ends_it() {
    let long: Vec<u8> = (0..10_000u32).map(|i| i as u8).collect();
    let sized = |length: usize| forbidden().with("Content-Length", length.to_string());
    assert_eq!(kept(&sized(0), b""), (vec![], false));
    assert_eq!(kept(&sized(5), b"hello"), (b"hello".to_vec(), false));
    assert_eq!(kept(&sized(5), b"hello, and what is behind it"), (b"hello".to_vec(), false));
    assert_eq!(kept(&sized(5), b"hel"), (b"hel".to_vec(), true));
    assert_eq!(kept(&sized(KEPT), &long[..KEPT]), (long[..KEPT].to_vec(), false));
    assert_eq!(kept(&sized(KEPT + 1), &long[..KEPT]), (long[..KEPT].to_vec(), false));
    assert_eq!(kept(&sized(KEPT), &long[..KEPT - 1]), (long[..KEPT - 1].to_vec(), true));
    assert_eq!(kept(&sized(10_000), &long), (long[..KEPT].to_vec(), false));
    assert_eq!(kept(&forbidden().with("Content-Length", "99999999999999999999"), b"x"), (b"x".to_vec(), true));
    assert_eq!(kept(&forbidden().with("Content-Length", "x"), b"x"), (b"x".to_vec(), true));
    assert_eq!(kept(&forbidden(), b""), (vec![], true));
    assert_eq!(kept(&forbidden(), b"hello"), (b"hello".to_vec(), true));
    assert_eq!(kept(&forbidden(), &long[..KEPT - 1]), (long[..KEPT - 1].to_vec(), true));
    assert_eq!(kept(&forbidden(), &long[..KEPT]), (long[..KEPT].to_vec(), false));
    assert_eq!(kept(&forbidden(), &long), (long[..KEPT].to_vec(), false));
    for status in ["204 No Content", "304 Not Modified"] {
        assert_eq!(kept(&Reply::status(status).with("Content-Length", "5"), b"hello"), (vec![], false), "{status}");
    }
}

#[test]
fn a_body_in_pieces_is_the_same() {
    let long = vec![b'x'; KEPT + 100];
    for body in [&b"hello"[..], &long] {
        for reply in [forbidden(), forbidden().with("Content-Length", body.len().to_string())] {
            let bytes = reply.then(body);
            let cuts: Vec<usize> = (1..bytes.len()).collect();
            let slowly = feed_in_pieces(&mut Client::started(config()), &bytes, &cuts);
            let at_once = feed_in_pieces(&mut Client::started(config()), &bytes, &[]);
            assert_eq!(slowly, at_once);
            assert_eq!(refusal("403", &slowly).0.body, body[..body.len().min(KEPT)]);
        }
    }
}

#[test]
fn what_is_no_head_is_kept_up_to_the_limit() {
    let mut client = Client::started(config());
    let (error, _) = refusal("noise", &client.feed([0xaa; 10_000]));
    assert_eq!(error.fault, ResponseFault::NotHttp);
    assert_eq!(error.body, [0xaa; KEPT][..]);
}

#[test]
fn a_head_of_the_limit_is_taken_and_one_byte_more_is_not() {
    let fill = Reply::right().with("X", "").bytes().len();
    for limit in [400, 16 * 1024] {
        for excess in [0, 1] {
            let reply = Reply::right().with("X", "x".repeat(limit - fill + excess));
            assert_eq!(reply.bytes().len(), limit + excess);
            for slowly in [false, true] {
                let mut client = Client::started(config().max_head_size(limit));
                let bytes = reply.bytes();
                let events = if slowly { client.feed_slowly(bytes) } else { client.feed(bytes) };
                if excess == 0 {
                    assert_eq!(events, [Event::Open]);
                } else {
                    let (error, code) = refusal("too large", &events);
                    assert_eq!((error.fault, code), (ResponseFault::Head(HeadError::TooLarge { limit }), 1002));
                }
            }
        }
    }
}

#[test]
fn a_head_fails_with_the_byte_that_makes_it_too_long() {
    let mut client = Client::started(config().max_head_size(400));
    assert_eq!(client.feed([b"HTTP/1.1 200 ", &[b'x'; 386][..]].concat()), []);
    assert_eq!(refusal("400 bytes without an end", &client.feed("x")).0.body.len(), 400);
}

#[test]
fn an_endless_head_is_cut_off_in_bounded_memory() {
    // CVE-2026-54465.
    let mut client = Client::started(config());
    let mut events = client.feed("HTTP/1.1 200 OK\r\n");
    let mut fed = 0;
    while events.is_empty() {
        events = client.feed("X-Endless: and on and on and on\r\n");
        fed += 33;
        assert!(client.driver.input().len() <= 16 * 1024 && fed <= 17 * 1024);
    }
    let (error, _) = refusal("endless", &events);
    assert_eq!(error.fault, ResponseFault::Head(HeadError::TooLarge { limit: 16 * 1024 }));
    assert_eq!((error.status, error.body.len()), (None, KEPT));
    assert!(error.body.starts_with(b"HTTP/1.1 200 OK\r\nX-Endless"));
    assert_eq!(client.feed([b'x'; 100_000]), []);
    assert!(client.driver.input().is_empty());
}

#[test]
fn an_endless_body_is_cut_off_too() {
    let mut client = Client::started(config());
    let mut events = client.feed(Reply::status("200 OK").bytes());
    while events.is_empty() {
        events = client.feed([b'x'; 100]);
        assert!(client.driver.input().len() <= KEPT + 100);
    }
    assert_eq!(refusal("endless", &events).0.body.len(), KEPT);
}
