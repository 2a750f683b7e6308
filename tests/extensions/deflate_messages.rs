//! Compressed messages that a server accepts: RFC 7692 §6 and §7.2.

use permessage_deflate::PermessageDeflate;
use websocket_driver::{Event, Message};
use websocket_tests::wire::{Frame, frames};

use crate::options::options;
use crate::peer::{Deflater, RSV1, Server, binary, compressed, fragments, noise, prose, text};
use crate::puff::EXAMPLES;

fn server() -> Server {
    Server::deflate(PermessageDeflate::new())
}

#[test]
fn examples_of_rfc_7692_section_7_2_3_are_read() {
    let mut server = server();
    for (payload, message) in EXAMPLES {
        let message = std::str::from_utf8(message).unwrap();
        assert_eq!(server.feed(compressed(1, payload)), [text(message)], "{payload:02x?}");
    }
    // §7.2.3.1: in two fragments.
    let parts = [Frame::text([0xf2, 0x48, 0xcd]).rsv(RSV1).more(), Frame::continuation([0xc9, 0xc9, 0x07, 0x00])];
    assert_eq!(server.feed(frames(parts)), [text("Hello")]);
}

#[test]
fn compressed_message_in_one_frame_is_read() {
    let (mut server, mut client) = (server(), Deflater::new());
    for len in [1, 5, 100, 125, 126, 1000, 32_767, 32_768, 65_535, 65_536, 65_537, 200_000] {
        assert_eq!(server.feed(client.text(prose(len))), [text(&prose(len))], "{len}");
        assert_eq!(server.feed(client.binary(noise(len, 1))), [binary(noise(len, 1))], "{len}");
    }
}

#[test]
fn compressed_message_in_fragments_of_any_size_is_read() {
    let message = prose(3000);
    let (mut server, mut client) = (server(), Deflater::new());
    for size in 1..60 {
        let payload = client.message(&message);
        assert_eq!(server.feed(frames(fragments(1, &payload, size))), [text(&message)], "{size}");
        let payload = client.message(&message);
        assert_eq!(server.feed(frames(fragments(2, &payload, size))), [binary(&message)], "{size}");
    }
}

#[test]
fn fragments_of_a_compressed_message_may_be_empty() {
    let payload = Deflater::new().message("Hello");
    let empty = || Frame::continuation("").more();
    let whole =
        [Frame::text("").rsv(RSV1).more(), empty(), Frame::continuation(&payload).more(), Frame::continuation("")];
    assert_eq!(server().feed(frames(whole)), [text("Hello")]);
    let parts = [Frame::binary(&payload[..2]).rsv(RSV1).more(), empty(), Frame::continuation(&payload[2..])];
    assert_eq!(server().feed(frames(parts)), [binary("Hello")]);
}

#[test]
fn control_frames_between_compressed_fragments_are_accepted() {
    let message = prose(500);
    let payload = Deflater::new().message(&message);
    let mut server = server();
    let sent = fragments(1, &payload, 20).into_iter().flat_map(|frame| [frame, Frame::ping("?"), Frame::pong("!")]);
    let mut events = server.feed(frames(sent));
    let is_control = |event: &Event| matches!(event, Event::Ping(_) | Event::Pong(_));
    assert_eq!(events.iter().filter(|event| is_control(event)).count(), 2 * payload.len().div_ceil(20));
    events.retain(|event| !is_control(event));
    assert_eq!(events, [text(&message)]);
    // The pongs are not compressed.
    assert!(server.frames().iter().all(|frame| (frame.first, &frame.payload[..]) == (0x8a, b"?")));
}

#[test]
fn message_without_rsv1_is_accepted_and_keeps_the_context() {
    let (mut server, mut client) = (server(), Deflater::new());
    for i in 0..5 {
        assert_eq!(server.feed(client.text(prose(300))), [text(&prose(300))]);
        assert_eq!(server.feed(Frame::text("plain").bytes()), [text("plain")], "{i}");
        let parts = [Frame::binary([0xf2]).more(), Frame::ping(""), Frame::continuation([0x48])];
        assert_eq!(server.feed(frames(parts)), [Event::Ping("".into()), binary([0xf2, 0x48])]);
        assert_eq!(server.feed(Frame::binary("").bytes()), [binary("")]);
    }
}

#[test]
fn empty_message_may_be_compressed_at_any_position() {
    for agreed in ["", "rnct"] {
        let mut server = Server::deflate(options(agreed));
        let client = Deflater::new();
        let mut client = if agreed.is_empty() { client } else { client.no_takeover() };
        for message in ["", "", "Hello", "", "", "Hello", &prose(5000), "", "Hello"] {
            assert_eq!(server.feed(client.text(message)), [text(message)]);
            assert_eq!(server.feed(client.binary(message)), [binary(message)]);
            // §7.2.3.6, and an empty block of the other types.
            assert_eq!(server.feed(compressed(1, [0x00])), [text("")]);
            assert_eq!(server.feed(compressed(1, [0x02, 0x00])), [text("")]);
        }
    }
}

#[test]
fn compressed_message_without_bytes_counts_as_empty() {
    // The specification uses 00; zlib itself writes nothing after a flush, and some senders send
    // that.
    let (mut server, mut client) = (server(), Deflater::new());
    for _ in 0..3 {
        assert_eq!(server.feed(compressed(1, "")), [text("")]);
        assert_eq!(server.feed(frames([Frame::binary("").rsv(RSV1).more(), Frame::continuation("")])), [binary("")]);
        assert_eq!(server.feed(client.text(prose(300))), [text(&prose(300))]);
    }
}

#[test]
fn message_after_a_final_block_is_read() {
    // §7.2.3.4, with the byte that the specification adds, and without.
    for payload in [&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00][..], &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]]
    {
        for agreed in ["", "rnct", "rmwb=9", "rmwb=9 rnct"] {
            let mut server = Server::deflate(options(agreed));
            for _ in 0..3 {
                assert_eq!(server.feed(compressed(1, payload)), [text("Hello")]);
                assert_eq!(server.feed(Deflater::with_window(9).text(prose(2000))), [text(&prose(2000))]);
                assert_eq!(server.feed(compressed(1, payload)), [text("Hello")]);
                assert_eq!(server.feed(compressed(1, [0x00])), [text("")]);
            }
        }
    }
    // Two streams in one message.
    let twice = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    assert_eq!(server().feed(compressed(1, twice)), [text("HelloHello")]);
}

#[test]
fn message_of_many_blocks_is_read() {
    let mut client = Deflater::new();
    let parts: Vec<Vec<u8>> = (0..50).map(|i| client.message(prose(i * 20))).collect();
    let payload = parts.join(&[0x00, 0x00, 0xff, 0xff][..]);
    let message: String = (0..50).map(|i| prose(i * 20)).collect();
    assert_eq!(server().feed(compressed(1, payload)), [text(&message)]);
}

#[test]
fn compressed_multibyte_text_is_read_wherever_it_is_split() {
    for len in [10, 21_845, 21_846, 40_000] {
        let message = "€".repeat(len);
        for shift in ["", "x", "xy"] {
            let message = format!("{shift}{message}");
            assert_eq!(server().feed(Deflater::new().text(&message)), [text(&message)]);
        }
    }
}

#[test]
fn message_types_are_preserved() {
    let mut server = server();
    let text = server.send(Message::text(prose(100)));
    let binary = server.send(Message::binary(prose(100)));
    assert_eq!((text.first, binary.first), (0xc1, 0xc2));
}

#[test]
fn peer_may_compress_with_every_allowed_window() {
    for bits in 8..=15 {
        for kept in [true, false] {
            let asked = format!("rmwb={bits}{}", if kept { "" } else { " rnct" });
            let mut server = Server::deflate(options(&asked));
            assert!(
                bits == 15 || server.answered.as_ref().unwrap().contains(&format!("client_max_window_bits={bits}"))
            );
            // A client that declares 8 and uses zlib compresses with 9.
            let client = Deflater::with_window(bits.max(9));
            let mut client = if kept { client } else { client.no_takeover() };
            for len in [10, 600, 5000, 100_000, 0, 5000] {
                assert_eq!(server.feed(client.text(prose(len))), [text(&prose(len))], "{bits} {kept} {len}");
                assert_eq!(server.feed(client.binary(noise(len, 9))), [binary(noise(len, 9))]);
            }
        }
    }
}
