//! Invalid compressed messages, and how a server closes.

use permessage_deflate::PermessageDeflate;
use websocket_driver::{Config, Event};
use websocket_tests::wire::{Frame, frames};

use crate::options::options;
use crate::peer::{Deflater, OFFER, RSV1, Server, compressed, fragments, noise, prose, text};

fn server() -> Server {
    Server::deflate(PermessageDeflate::new())
}

#[test]
fn rsv1_on_a_continuation_frame_is_1002_at_its_first_byte() {
    let payload = Deflater::new().message(prose(500));
    for first in [Frame::text(&payload).rsv(RSV1), Frame::text("plain")] {
        let mut server = server();
        assert_eq!(server.feed(first.more().bytes()), []);
        for byte in [0x40, 0xc0] {
            let mut server = Server { driver: std::mem::replace(&mut server, self::server()).driver, answered: None };
            if server.driver.is_closed() {
                continue;
            }
            let events = server.feed([byte]);
            let reason = server.assert_failed(&events, 1002);
            assert_eq!(reason, "unexpected reserved bits (RFC 6455 §5.2)");
        }
    }
}

#[test]
fn rsv1_on_a_control_frame_is_1002_also_between_fragments() {
    for opcode in [8, 9, 10] {
        for begun in [false, true] {
            let mut server = server();
            if begun {
                assert_eq!(server.feed(Frame::text([0xf2]).rsv(RSV1).more().bytes()), []);
            }
            let events = server.feed([0xc0 | opcode]);
            server.assert_failed(&events, 1002);
        }
    }
}

#[test]
fn rsv2_and_rsv3_are_1002_with_and_without_rsv1() {
    for bits in [0x60, 0x50, 0x70, 0x20, 0x10, 0x30] {
        let mut server = server();
        let events = server.feed(Frame::text([0xf2]).rsv(bits).bytes());
        server.assert_failed(&events, 1002);
    }
}

#[test]
fn rsv1_is_1002_without_negotiated_compression() {
    let deflate = || Config::server().extension(PermessageDeflate::new()).unwrap();
    for (config, offers) in [
        (Config::server(), &[OFFER][..]),
        (deflate(), &[]),
        (deflate(), &["permessage-deflate; unknown"]),
        (deflate().decline_extensions(|agent| agent.is_none()), &[OFFER]),
    ] {
        let mut server = Server::open(config, offers);
        assert_eq!(server.answered, None);
        let events = server.feed(compressed(1, [0x00]));
        server.assert_failed(&events, 1002);
    }
}

#[test]
fn truncated_message_is_1002() {
    for message in ["Hello".to_owned(), prose(300), "x".repeat(70_000)] {
        let payload = Deflater::new().message(&message);
        for cut in 1..payload.len() {
            let mut server = server();
            let events = server.feed(compressed(1, &payload[..cut]));
            let reason = server.assert_failed(&events, 1002);
            assert!(reason.starts_with("extension \"permessage-deflate\" failed: cannot decode payload: "), "{reason}");
            let mut server = self::server();
            let events = server.feed(frames(fragments(2, &payload[..cut], 7)));
            server.assert_failed(&events, 1002);
        }
    }
}

#[test]
fn truncated_stored_blocks_are_1002() {
    let payload = [&[0x00, 0x05, 0x00, 0xfa, 0xff][..], b"Hello", &[0x00]].concat();
    assert_eq!(server().feed(compressed(1, &payload)), [text("Hello")]);
    for cut in 2..payload.len() {
        let mut server = server();
        let events = server.feed(compressed(1, &payload[..cut]));
        server.assert_failed(&events, 1002);
    }
}

#[test]
fn bytes_after_the_end_of_a_message_are_1002() {
    let payload = Deflater::new().message("Hello");
    for rest in [&[0x07][..], &[0xff], &[0x00, 0x00, 0xff], &[0x00, 0x00, 0xff, 0xff, 0x06], &[0xff; 20]] {
        let mut server = server();
        let events = server.feed(compressed(1, [&payload[..], rest].concat()));
        server.assert_failed(&events, 1002);
    }
    // The tail that the sender should have removed is just an empty block.
    let events = server().feed(compressed(1, [&payload[..], &[0x00, 0x00, 0xff, 0xff, 0x00]].concat()));
    assert_eq!(events, [text("Hello")]);
}

#[test]
fn final_blocks_over_16_before_the_last_are_1002() {
    let empty = [0x03, 0x00];
    for window in ["rmwb=9", "rmwb=15"] {
        let mut server = Server::deflate(options(window));
        for blocks in [1, 2, 16, 17] {
            assert_eq!(server.feed(compressed(1, empty.repeat(blocks))), [text("")], "{blocks} blocks");
        }
        assert_eq!(server.feed(compressed(1, [&empty.repeat(16)[..], &[0x00]].concat())), [text("")]);
        let events = server.feed(compressed(1, empty.repeat(100_000)));
        let reason = server.assert_failed(&events, 1002);
        assert!(reason.ends_with("too many final blocks"), "{reason}");
    }
}

#[test]
fn block_of_the_reserved_type_and_wrong_length_are_1002() {
    for payload in
        [&[0x06][..], &[0x07], &[0x00, 0x05, 0x00, 0xfb, 0xff, 1, 2, 3, 4, 5, 0x00], &[0x04, 0xff, 0xff, 0xff]]
    {
        let mut server = server();
        let events = server.feed(compressed(2, payload));
        server.assert_failed(&events, 1002);
    }
}

#[test]
fn reference_to_a_missing_context_is_1002() {
    // RFC 7692 §7.2.3.2: the second message refers to the first.
    let second = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let mut server = Server::deflate(options("rnct"));
    assert_eq!(server.feed(compressed(1, [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00])), [text("Hello")]);
    let events = server.feed(compressed(1, second));
    server.assert_failed(&events, 1002);
    let mut server = self::server();
    let events = server.feed(compressed(1, second));
    server.assert_failed(&events, 1002);
}

#[test]
fn context_is_not_shared_between_connections() {
    for asked in ["", "rnct", "nct rnct"] {
        let mut first = Server::deflate(options(asked));
        assert_eq!(first.feed(Deflater::new().text("Hello")), [text("Hello")]);
        let mut second = Server::deflate(options(asked));
        let events = second.feed(compressed(1, [0xf2, 0x00, 0x11, 0x00, 0x00]));
        second.assert_failed(&events, 1002);
    }
}

#[test]
fn failed_message_does_not_affect_other_connections() {
    for asked in ["rnct", "rnct rmwb=9"] {
        for bad in [&[0x06][..], &[0xf2, 0x48], &[0x02], &noise(300, 5)] {
            let mut server = Server::deflate(options(asked));
            server.feed(compressed(2, bad));
            let mut server = Server::deflate(options(asked));
            let message = prose(400);
            assert_eq!(server.feed(Deflater::with_window(9).text(&message)), [text(&message)]);
        }
    }
}

#[test]
fn peer_that_exceeds_the_window_is_never_misread() {
    let message = [&noise(4000, 1)[..], &noise(4000, 1)].concat();
    for bits in 9..15 {
        let mut server = Server::deflate(options(&format!("rmwb={bits}")));
        match &server.feed(Deflater::new().binary(&message))[..] {
            [Event::Message(came)] => assert_eq!(came.as_bytes(), message),
            events => drop(server.assert_failed(events, 1002)),
        }
    }
}

#[test]
fn random_data_results_in_a_message_or_1002() {
    let mut messages = 0;
    for seed in 1..3000 {
        let mut server = Server::limited(
            options(if seed % 2 == 0 { "" } else { "rnct" }),
            Config::server().max_message_size(1 << 16),
        );
        let data = noise(1 + seed as usize % 200, seed);
        let events = server.feed(if seed % 3 == 0 { frames(fragments(2, &data, 9)) } else { compressed(2, data) });
        match &events[..] {
            [Event::Message(_)] => messages += 1,
            _ => drop(server.assert_failed(&events, 1002)),
        }
    }
    assert!(messages < 100, "{messages}");
}

#[test]
fn compressed_text_of_invalid_utf8_is_1007() {
    for bad in [&b"\xff"[..], b"Hello \xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"Hello\xc3(", b"\x80"] {
        let mut server = server();
        let events = server.feed(Deflater::new().text(bad));
        server.assert_failed(&events, 1007);
        let mut server = self::server();
        let payload = Deflater::new().message(bad);
        let events = server.feed(frames(fragments(1, &payload, 2)));
        server.assert_failed(&events, 1007);
        // Also if a character is truncated at the end of a message that is followed by another one.
        let mut server = self::server();
        let mut client = Deflater::new();
        let events = server.feed([client.text("\u{e9}"), client.text(bad), client.text("x")].concat());
        assert_eq!(events[0], text("é"));
        server.assert_failed(&events[1..], 1007);
    }
}

#[test]
fn long_compressed_text_is_1007_long_before_its_end() {
    // The rest would exceed the limit or be truncated, and is not decoded.
    let bad = [b"\xff", &[b'x'; 1 << 20][..]].concat();
    let payload = Deflater::new().message(&bad);
    for limit in [100_000, 1 << 20, 1 << 30] {
        let mut server = Server::limited(PermessageDeflate::new(), Config::server().max_message_size(limit));
        let events = server.feed(compressed(1, &payload));
        server.assert_failed(&events, 1007);
    }
    let mut server = server();
    let events = server.feed(compressed(1, &payload[..payload.len() / 2]));
    server.assert_failed(&events, 1007);
    // A character split between two pieces, with an invalid byte there.
    for at in [65_535, 65_536, 65_537, 131_071] {
        let mut text = vec![b'x'; 1 << 18];
        text[at] = 0xc3;
        let mut server = self::server();
        let events = server.feed(Deflater::new().text(&text));
        server.assert_failed(&events, 1007);
    }
}

#[test]
fn messages_before_a_fault_are_received_and_none_after_it() {
    let (mut server, mut client) = (server(), Deflater::new());
    let sent = [client.text("one"), client.text("two"), compressed(1, [0x06]), client.text("three")].concat();
    let events = server.feed(sent);
    assert_eq!(events[..2], [text("one"), text("two")]);
    server.assert_failed(&events[2..], 1002);
    assert_eq!(server.feed(Frame::text("four").bytes()), []);
}
