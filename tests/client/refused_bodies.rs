//! What an error contains of a refusal: its headers, and the first 4 KiB of its body. Its head is
//! limited.

use websocket_driver::{Event, HeadError, ResponseFault};

use crate::session::{Client, Reply, config, feed_in_pieces, refusal};

const KEPT: usize = 4 * 1024;

fn forbidden() -> Reply {
    Reply::status("403 Forbidden").with("X-One", "1").with("Set-Cookie", "a").with("Set-Cookie", "b")
}

#[test]
fn refusal_keeps_all_headers() {
    let events = Client::started(config()).feed(forbidden().with("Content-Length", "0").bytes());
    let (error, _) = refusal("403", &events);
    assert_eq!(error.headers["x-one"], "1");
    assert_eq!(error.headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(error.headers.len(), 4);
    let events = Client::started(config()).feed(Reply::right().without("Upgrade").with("X-One", "1").bytes());
    assert_eq!(refusal("no Upgrade", &events).0.headers["x-one"], "1");
}

/// Feeds a response in two pieces, the second of which is `body`. Returns the reported body, and
/// whether the end of the transport was needed.
fn kept(reply: &Reply, body: &[u8]) -> (Vec<u8>, bool) {
    let mut client = Client::started(config());
    let mut events = client.feed(reply.bytes());
    events.extend(client.feed(body));
    let waited = events.is_empty();
    events.extend(client.eof());
    (refusal("a body", &events).0.body.to_vec(), waited)
}

#[test]
fn body_is_awaited_until_its_end_or_that_of_the_transport() {
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

fn chunked() -> Reply {
    forbidden().with("Transfer-Encoding", "chunked")
}

#[test]
fn chunked_body_is_decoded_and_ends_with_last_chunk() {
    let long = "x".repeat(KEPT + 10);
    let rows: [(&str, &str); 17] = [
        ("8\r\nkeep out\r\n0\r\n\r\n", "keep out"),
        ("0\r\n\r\n", ""),
        ("000\r\n\r\n", ""),
        ("0;last\r\n\r\n", ""),
        ("8\r\nkeep out\r\n000\r\n\r\n", "keep out"),
        ("8\r\nkeep out\r\n0000000000000000\r\n\r\n", "keep out"),
        ("4\r\nkeep\r\n4\r\n out\r\n0\r\n\r\n", "keep out"),
        ("8;name=value\r\nkeep out\r\n0;x=\"y\"\r\n\r\n", "keep out"),
        ("8 ; name\r\nkeep out\r\n0\t\r\n\r\n", "keep out"),
        ("8\r\nkeep out\r\n0\r\nX-Trailer: 1\r\nX-Two: 2\r\n\r\n", "keep out"),
        ("8\r\nkeep out\r\n0\r\nX-Trailer: that does not", "keep out"),
        ("0000000a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ("A\r\n0\r\n\r\n56789\r\n0\r\n\r\n", "0\r\n\r\n56789"),
        ("0\r\n\r\nand what is behind it", ""),
        ("100a\r\nLONG", "LONG"),
        ("ffffffffffffffff\r\nLONG", "LONG"),
        ("5;EXTENSION\r\nhello\r\n0\r\n\r\n", "hello"),
    ];
    for (body, decoded) in rows {
        let fill = |text: &str| text.replace("LONG", &long).replace("EXTENSION", &"e".repeat(4000));
        let (body, decoded) = (fill(body), fill(decoded));
        let decoded = &decoded.as_bytes()[..decoded.len().min(KEPT)];
        assert_eq!(kept(&chunked(), body.as_bytes()), (decoded.to_vec(), false), "{body:.60}");
        let bytes = chunked().then(&body);
        let slowly = Client::started(config()).feed_slowly(&bytes);
        assert_eq!(refusal("slowly", &slowly).0.body, decoded, "{body:.60}");
    }
}

#[test]
fn chunked_body_that_is_cut_off_keeps_what_was_received() {
    let rows: [(&str, &str); 9] = [
        ("", ""),
        ("8", "8"),
        ("Denied", "Denied"),
        ("4\r\nkeep\r\n8", "keep"),
        ("8\r\nkeep", "keep"),
        ("8\r\nkeep out", "keep out"),
        ("8\r\nkeep out\r", "keep out"),
        ("8\r\nkeep out\r\n", "keep out"),
        ("8\r\nkeep out\r\n0", "keep out"),
    ];
    for (body, decoded) in rows {
        assert_eq!(kept(&chunked(), body.as_bytes()), (decoded.into(), true), "{body}");
    }
}

#[test]
fn chunked_body_that_is_malformed_is_kept_unchanged_from_there() {
    for body in ["<html>", "\r\n\r\n", "; x\r\n", "8\nkeep out", "5x\r\nhello", "fffffffffffffffff\r\n", "-1\r\n"] {
        assert_eq!(kept(&chunked(), body.as_bytes()), (body.into(), true), "{body}");
        let slowly = feed_in_pieces(&mut Client::started(config()), &chunked().then(body), &[1, 50, 95, 97]);
        assert_eq!(refusal("slowly", &slowly).0.body, body);
    }
    assert_eq!(kept(&chunked(), b"2\r\nhello"), (b"hello".to_vec(), true));
    // A line without an end.
    let endless = [&b"5;"[..], &[b'e'; 10_000]].concat();
    assert_eq!(kept(&chunked(), &endless), (endless[..KEPT].to_vec(), false));
}

#[test]
fn chunked_body_with_long_extensions_is_read_in_bounds() {
    let mut client = Client::started(config());
    let mut events = client.feed(chunked().bytes());
    let mut fed = 0;
    while events.is_empty() {
        events = client.feed(format!("1;{}\r\nx\r\n", "e".repeat(1000)));
        fed += 1007;
        assert!(fed <= 70 * 1024 && client.driver.input().len() <= 2000);
    }
    assert!(refusal("long extensions", &events).0.body.len() < 100);
}

#[test]
fn body_framing_follows_the_last_transfer_coding_and_lengths_that_agree() {
    let with = |name: &str, value: &str| forbidden().with(name, value);
    let chunks = b"5\r\nhello\r\n0\r\n\r\n";
    let decoded = (b"hello".to_vec(), false);
    assert_eq!(kept(&with("Transfer-Encoding", "Chunked"), chunks), decoded);
    assert_eq!(kept(&with("Transfer-Encoding", "gzip, chunked"), chunks), decoded);
    assert_eq!(kept(&with("Transfer-Encoding", "gzip").with("Transfer-Encoding", "chunked"), chunks), decoded);
    assert_eq!(kept(&chunked().with("Content-Length", "3"), chunks), decoded);
    for coding in ["gzip", "identity", "chunked, gzip", ""] {
        assert_eq!(kept(&with("Transfer-Encoding", coding), chunks), (chunks.to_vec(), true), "{coding}");
    }
    assert_eq!(kept(&with("Content-Length", "5, 5"), b"hello, you"), decoded);
    assert_eq!(kept(&with("Content-Length", "5").with("Content-Length", "5"), b"hello, you"), decoded);
    for length in ["5, 6", "+5", "-5", "", "5 5"] {
        assert_eq!(kept(&with("Content-Length", length), b"hello, you"), (b"hello, you".to_vec(), true), "{length}");
    }
}

#[test]
fn body_in_pieces_is_the_same() {
    let long = vec![b'x'; KEPT + 100];
    for body in [&b"hello"[..], &long] {
        for reply in [chunked(), forbidden(), forbidden().with("Content-Length", body.len().to_string())] {
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
fn invalid_head_is_kept_up_to_the_limit() {
    let mut client = Client::started(config());
    let (error, _) = refusal("noise", &client.feed([0xaa; 10_000]));
    assert_eq!(error.fault, ResponseFault::NotHttp);
    assert_eq!(error.body, [0xaa; KEPT][..]);
}

#[test]
fn head_size_limit_is_exact() {
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
fn head_beyond_its_limit_fails_alike_however_it_arrives() {
    for limit in 1..10 {
        for head in ["HTTP/2 200 OK", "HTXP/1.1 200 OK", "SSH-2.0-OpenSSH"] {
            let faults = [1, 2, 3, head.len()].map(|size| {
                let mut client = Client::started(config().max_head_size(limit));
                let events: Vec<_> = head.as_bytes().chunks(size).flat_map(|piece| client.feed(piece)).collect();
                refusal(head, &events).0.fault
            });
            assert!(faults.iter().all(|fault| *fault == faults[0]), "{limit}, {head:?}: {faults:?}");
        }
    }
}

#[test]
fn head_over_limit_fails_at_the_exceeding_byte() {
    let mut client = Client::started(config().max_head_size(400));
    assert_eq!(client.feed([b"HTTP/1.1 200 ", &[b'x'; 386][..]].concat()), []);
    assert_eq!(refusal("400 bytes without an end", &client.feed("x")).0.body.len(), 400);
}

#[test]
fn endless_head_is_refused_in_bounded_memory() {
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
fn endless_body_is_cut_off() {
    let mut client = Client::started(config());
    let mut events = client.feed(Reply::status("200 OK").bytes());
    while events.is_empty() {
        events = client.feed([b'x'; 100]);
        assert!(client.driver.input().len() <= KEPT + 100);
    }
    assert_eq!(refusal("endless", &events).0.body.len(), KEPT);
}
