//! Limits on compressed messages: they apply to the decompressed size (RFC 6455 §10.4;
//! CVE-2026-54464, CVE-2026-54490).

use permessage_deflate::PermessageDeflate;
use websocket_driver::{Config, Event};
use websocket_tests::wire::frames;
use zlib_rs::{Deflate, DeflateFlush, Status};

use crate::peer::{Deflater, Server, binary, compressed, fragments, noise, prose, text};

fn limited(bytes: usize) -> Server {
    Server::limited(PermessageDeflate::new(), Config::server().max_message_size(bytes))
}

/// Compresses a number of MiB of zeros.
fn bomb(mib: usize) -> Vec<u8> {
    let one = Deflater::new().message(vec![0; 1 << 20]);
    [&one[..], &[0x00, 0x00, 0xff, 0xff]].concat().repeat(mib)
}

#[test]
fn limit_applies_to_inflated_bytes() {
    for limit in [10, 100, 1000, 32_768, 65_536, 100_000] {
        let mut server = limited(limit);
        let mut client = Deflater::new();
        // The size of one message does not count for the next.
        for _ in 0..3 {
            assert_eq!(server.feed(client.text("x".repeat(limit))), [text(&"x".repeat(limit))]);
        }
        let events = server.feed(client.text("x".repeat(limit + 1)));
        let reason = server.assert_failed(&events, 1009);
        assert_eq!(
            reason,
            format!("extension \"permessage-deflate\" failed: decoded message exceeds the limit of {limit} bytes")
        );
    }
}

#[test]
fn limit_applies_to_inflated_bytes_of_all_fragments() {
    for size in [1, 10, 1000] {
        let payload = Deflater::new().message(prose(10_000));
        let sent = frames(fragments(2, &payload, size));
        assert_eq!(limited(10_000).feed(&sent), [binary(prose(10_000))]);
        let mut server = limited(9_999);
        let events = server.feed(&sent);
        server.assert_failed(&events, 1009);
    }
}

#[test]
fn limit_of_0_accepts_only_empty_messages() {
    let mut server = limited(0);
    // A single byte of payload already exceeds the limit.
    assert_eq!(server.feed(compressed(1, "")), [text("")]);
    let events = server.feed(compressed(1, [0x4a, 0x04, 0x00]));
    server.assert_failed(&events, 1009);
}

#[test]
fn frame_over_limit_fails_at_its_header() {
    let mut server = Server::limited(PermessageDeflate::new(), Config::server().max_frame_size(100));
    let payload = Deflater::new().message(noise(200, 1));
    let events = server.feed(&compressed(2, &payload)[..4]);
    server.assert_failed(&events, 1009);
    let mut server = Server::limited(PermessageDeflate::new(), Config::server().max_frame_size(100));
    assert_eq!(server.feed(frames(fragments(2, &payload, 100))), [binary(noise(200, 1))]);
}

#[test]
fn bomb_of_260_kib_that_inflates_to_256_mib_is_1009() {
    let bomb = bomb(256);
    assert!((260_000..=270_000).contains(&bomb.len()), "{}", bomb.len());
    for opcode in [1, 2] {
        let mut server = Server::deflate(PermessageDeflate::new());
        let events = server.feed(compressed(opcode, &bomb));
        let reason = server.assert_failed(&events, 1009);
        assert!(reason.ends_with("the limit of 67108863 bytes"), "{reason}");
        for limit in [1, 5000, 1 << 20] {
            let mut server = limited(limit.max(bomb.len()));
            let events = server.feed(compressed(opcode, &bomb));
            server.assert_failed(&events, 1009);
        }
    }
}

#[test]
fn bomb_in_fragments_is_1009() {
    let bomb = bomb(256);
    for size in [1000, 100_000] {
        let mut server = limited(1 << 20);
        let events = server.feed(frames(fragments(1, &bomb, size)));
        server.assert_failed(&events, 1009);
    }
}

#[test]
fn bomb_after_a_final_block_is_1009() {
    // Each stream alone is within the limit.
    let mut stream = [0; 1000];
    let mut deflate = Deflate::new(6, false, 15);
    assert_eq!(deflate.compress(&[0; 20_000], &mut stream, DeflateFlush::Finish), Ok(Status::StreamEnd));
    let payload = stream[..deflate.total_out() as usize].repeat(10);
    let whole = Server::deflate(PermessageDeflate::new()).feed(compressed(2, &payload));
    let [Event::Message(message)] = &whole[..] else { panic!("{whole:?}") };
    assert!(message.len() == 200_000 && message.as_bytes().iter().all(|byte| *byte == 0), "{}", message.len());
    assert_eq!(limited(message.len()).feed(compressed(2, &payload)), whole);
    let mut server = limited(message.len() - 1);
    let events = server.feed(compressed(2, &payload));
    server.assert_failed(&events, 1009);
}

#[test]
fn any_number_of_messages_below_the_limit_is_accepted() {
    let mut server = limited(20_000);
    let mut client = Deflater::new();
    for _ in 0..200 {
        assert_eq!(server.feed(client.text(prose(20_000))), [text(&prose(20_000))]);
    }
}

#[test]
fn message_that_grows_by_compression_may_have_the_limit() {
    let message = noise(100_000, 2);
    let payload = Deflater::new().message(&message);
    assert!(payload.len() > message.len());
    assert!(limited(100_000).feed(compressed(2, payload)) == [binary(message)]);
}
