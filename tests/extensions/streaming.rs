//! Compressed messages that are received and sent in pieces.

use permessage_deflate::PermessageDeflate;
use proptest::prelude::*;
use websocket_driver::extensions::ExtensionFault;
use websocket_driver::{Config, Event, MessageKind, ProtocolError, SendError};
use websocket_tests::wire::{Frame, frames};

use crate::checksum::{Checksum, sum};
use crate::options::options;
use crate::peer::{Deflater, RSV1, RSV2, Server, Written, binary, cases, compressed, fragments, noise, prose, text};
use crate::puff::{EXAMPLES, Puff};

/// The longest chunk that is decoded at once.
const CHUNK: usize = 64 * 1024;

fn streaming(limit: u64) -> Server {
    let mut server = Server::deflate(PermessageDeflate::new().threshold(0));
    server.driver.stream_messages(Some(limit));
    server
}

/// Returns the events with the chunks of each message joined, each of which has its final chunk.
fn joined(events: Vec<Event>) -> Vec<Event> {
    for event in &events {
        assert!(!matches!(event, Event::Chunk(chunk) if chunk.data.len() > CHUNK));
    }
    let (all, unfinished) = websocket_tests::driver::joined(events);
    assert!(unfinished.is_empty() || matches!(all.last(), Some(Event::Close(_))));
    all
}

/// The payload of the one message that these frames are, and the first byte of its first frame.
fn message(frames: &[Written]) -> (u8, Vec<u8>) {
    let (last, before) = frames.split_last().expect("a frame");
    assert!(last.first & 0x80 != 0 && before.iter().all(|frame| frame.first & 0x80 == 0), "{frames:?}");
    assert!(frames[1..].iter().all(|frame| frame.first & 0x7f == 0), "{frames:?}");
    (frames[0].first & 0x7f, frames.iter().flat_map(|frame| frame.payload.clone()).collect())
}

#[test]
fn compressed_message_is_received_in_pieces_of_any_size() {
    let (mut server, mut client) = (streaming(1 << 20), Deflater::new());
    for size in [1, 2, 3, 7, 50, 1000, 100_000] {
        // With one context for all of them.
        for (len, is_text) in [(0, true), (1, false), (3000, true), (70_000, false), (200_000, true)] {
            let content = prose(len);
            let opcode = if is_text { 1 } else { 2 };
            let bytes = frames(fragments(opcode, &client.message(&content), size.max(len / 2000 + 1)));
            let events = bytes.chunks(size).flat_map(|piece| server.feed(piece)).collect();
            let expected = if is_text { text(&content) } else { binary(&content) };
            assert!(joined(events) == [expected], "{len} bytes, {size} at a time");
        }
        let events = server.feed(client.binary(noise(5000, 7)));
        assert_eq!(joined(events), [binary(noise(5000, 7))]);
    }
}

#[test]
fn examples_of_rfc_7692_section_7_2_3_are_received_in_pieces() {
    for size in 1..20 {
        // One refers to what was before it.
        let mut server = streaming(1000);
        for (payload, message) in EXAMPLES {
            let message = std::str::from_utf8(message).unwrap();
            let bytes = frames(fragments(1, payload, size));
            let events = bytes.iter().flat_map(|byte| server.feed([*byte])).collect();
            assert_eq!(joined(events), [text(message)], "{payload:02x?} by {size}");
        }
    }
}

#[test]
fn truncated_message_in_pieces_is_an_error() {
    let payload = Deflater::new().message(prose(300));
    for cut in 1..payload.len() {
        let mut server = streaming(1000);
        let events = server.feed(compressed(2, &payload[..cut]));
        let events = events.into_iter().filter(|event| !matches!(event, Event::Chunk(_))).collect::<Vec<_>>();
        let reason = server.assert_failed(&events, 1002);
        assert!(reason.contains("deflate"), "{cut}: {reason}");
    }
}

#[test]
fn bomb_is_inflated_chunk_by_chunk_up_to_the_limit() {
    let bomb = Deflater::new().binary(vec![0; 64 << 20]);
    assert!(bomb.len() < 70_000);
    let mut server = streaming(1 << 20);
    server.driver.receive(&bomb[..]);
    // Decoded bytes count as work, so that others get their turn.
    server.driver.grant(100);
    let mut chunks = 0;
    while let Some(event) = server.driver.poll_event() {
        assert!(matches!(event, Event::Chunk(chunk) if chunk.data.len() == CHUNK));
        chunks += 1;
    }
    assert!(server.driver.is_exhausted() && (1..=10).contains(&chunks), "{chunks} chunks");
    assert!(server.driver.memory() < 400_000, "{}", server.driver.memory());
    server.driver.grant(u32::MAX);
    let mut events = server.feed("");
    let error = events.split_off(events.len() - 2);
    assert_eq!(events.len() + chunks, (1 << 20) / CHUNK);
    assert!(matches!(&error[0], Event::Error(ProtocolError::MessageTooBig { limit, .. }) if *limit == 1 << 20));
    server.assert_failed(&error, 1009);
}

#[test]
fn inflated_text_fails_at_its_first_invalid_byte() {
    let mut server = streaming(1 << 20);
    let wrong = [prose(1000).as_bytes(), b"\xff", prose(1000).as_bytes()].concat();
    let payload = Deflater::new().message(&wrong);
    let (first, rest) = payload.split_at(payload.len() - 20);
    let input = frames([Frame::text(first).rsv(RSV1).more(), Frame::continuation(rest).more()]);
    let events = server.feed(input);
    let events = events.into_iter().filter(|event| !matches!(event, Event::Chunk(_))).collect::<Vec<_>>();
    server.assert_failed(&events, 1007);
}

#[test]
fn skipped_message_keeps_the_context() {
    let (mut server, mut client) = (streaming(1 << 20), Deflater::new());
    let payload = client.message(prose(5000));
    let [first, second, third] = [&payload[..10], &payload[10..100], &payload[100..]];
    server.feed(Frame::text(first).rsv(RSV1).more().bytes());
    server.driver.skip_message();
    assert_eq!(server.feed(frames([Frame::continuation(second).more(), Frame::continuation(third)])), []);
    server.driver.stream_messages(None);
    // It refers back to what was skipped.
    let again = client.text(prose(5000));
    assert!(again.len() < 100);
    let events = server.feed(again);
    assert_eq!(joined(events), [text(&prose(5000))]);
    assert_eq!(server.feed(client.text(prose(5000))), [text(&prose(5000))]);
}

#[test]
fn message_is_compressed_in_fragments_with_and_without_context() {
    for (words, has_context) in [("", true), ("nct", false)] {
        let mut server = Server::deflate(options(words).threshold(0));
        let mut puff = Puff::default();
        let mut inflate = |payload: &[u8]| if has_context { puff.message(payload) } else { Puff::fresh(payload) };
        for size in [1, 100, 5000] {
            for flush_every in [1, 3, usize::MAX] {
                let content = prose(10_000);
                server.driver.start_message(MessageKind::Text).unwrap();
                for (piece, number) in content.as_bytes()[..10 * size.min(1000)].chunks(size).zip(1..) {
                    server.driver.send_fragment(piece.to_vec()).unwrap();
                    if number % flush_every == 0 {
                        server.driver.flush_message().unwrap();
                        server.driver.flush_message().unwrap();
                    }
                }
                server.driver.finish_message("!").unwrap();
                let (first, payload) = message(&server.frames());
                assert_eq!(first, 0x41);
                let expected = [&content.as_bytes()[..10 * size.min(1000)], b"!"].concat();
                assert!(inflate(&payload).unwrap() == expected, "{words} {size} {flush_every}");
                // A whole message in the same context.
                let whole = server.send(content);
                assert_eq!((whole.first, inflate(&whole.payload).unwrap()), (0xc1, prose(10_000).into_bytes()));
            }
        }
    }
}

#[test]
fn flush_sends_all_that_can_be_decoded() {
    let mut server = Server::deflate(PermessageDeflate::new());
    server.driver.start_message(MessageKind::Binary).unwrap();
    server.driver.send_fragment("hello").unwrap();
    assert_eq!(server.frames(), []);
    server.driver.flush_message().unwrap();
    let [frame] = server.frames().try_into().unwrap();
    assert_eq!(frame.first, 0x42);
    // It has all of the data, but for the tail of the flush.
    assert_eq!(Puff::fresh(&frame.payload).unwrap(), b"hello");
    server.driver.finish_message("").unwrap();
    assert_eq!(server.frames(), [Written { first: 0x80, payload: vec![] }]);
    // Nothing at all, in fragments, is as a whole message without content.
    for _ in 0..2 {
        server.driver.start_message(MessageKind::Binary).unwrap();
        server.driver.flush_message().unwrap();
        server.driver.finish_message("").unwrap();
        let [frame] = server.frames().try_into().unwrap();
        assert_eq!((frame.first & 0x8f, frame.payload.len()), (0x82, usize::from(frame.first & 0x40 != 0)));
    }
}

#[test]
fn message_that_may_not_be_compressed_is_sent_in_plain_fragments() {
    let mut server = Server::deflate(PermessageDeflate::new().threshold(0));
    server.driver.set_compression(false);
    server.driver.start_message(MessageKind::Text).unwrap();
    server.driver.send_fragment("secret").unwrap();
    server.driver.finish_message("!").unwrap();
    assert_eq!(message(&server.frames()), (1, b"secret!".to_vec()));
}

#[test]
fn extension_without_pieces_gets_whole_messages() {
    let config = || Config::server().max_message_size(1000).extension(Checksum::new()).unwrap();
    let mut server = Server::open(config(), &["x-checksum"]);
    server.driver.stream_messages(Some(1 << 30));
    let with_sum = |data: &[u8]| [data, &sum(data)].concat();
    let payload = with_sum("Grüße".as_bytes());
    let input = frames([Frame::text(&payload[..3]).rsv(RSV2).more(), Frame::continuation(&payload[3..])]);
    assert_eq!(joined(server.feed(input)), [text("Grüße")]);
    // Also those that it has not encoded are left as they are.
    assert_eq!(joined(server.feed(Frame::binary([7; 5000]).bytes())), [binary([7; 5000])]);
    server.driver.start_message(MessageKind::Text).unwrap();
    server.driver.send_fragment("Grü").unwrap();
    server.driver.flush_message().unwrap();
    server.driver.send_fragment("ß").unwrap();
    assert_eq!(server.frames(), []);
    server.driver.finish_message("e").unwrap();
    assert_eq!(message(&server.frames()), (0x21, payload));
    // Gathered within the limit of whole messages.
    server.driver.start_message(MessageKind::Binary).unwrap();
    server.driver.send_fragment(vec![7; 900]).unwrap();
    let refused = server.driver.send_fragment(vec![7; 101]);
    let Err(SendError::Extension(error)) = refused else { panic!("{refused:?}") };
    assert_eq!((&*error.extension, error.reason), ("x-checksum", ExtensionFault::MessageTooBig { limit: 1000 }));
    server.driver.finish_message(vec![7; 100]).unwrap();
    assert_eq!(message(&server.frames()), (0x22, with_sum(&[7; 1000])));
    let mut events = server.feed(Frame::binary([7; 500]).rsv(RSV2).more().bytes());
    for _ in 0..4 {
        events.extend(server.feed(Frame::continuation([7; 500]).more().bytes()));
    }
    let events = events.into_iter().filter(|event| !matches!(event, Event::Chunk(_))).collect::<Vec<_>>();
    server.assert_failed(&events, 1009);
}

proptest! {
    #![proptest_config(cases(200))]

    /// What is sent in pieces is received in pieces and whole, whatever the pieces.
    #[test]
    fn pieces_round_trip(
        pieces in prop::collection::vec((0usize..3000, any::<bool>(), any::<bool>()), 0..12),
        has_context: bool,
        step in 1usize..5000,
    ) {
        let words = if has_context { "" } else { "nct" };
        let mut server = Server::deflate(options(words).threshold(0));
        let (mut whole, mut streamed) = (Puff::default(), Vec::new());
        for _ in 0..2 {
            let mut content = Vec::new();
            server.driver.start_message(MessageKind::Binary).unwrap();
            for (len, is_noise, is_flushed) in &pieces {
                let piece = if *is_noise { noise(*len, 3) } else { prose(*len).into_bytes() };
                content.extend_from_slice(&piece);
                server.driver.send_fragment(piece).unwrap();
                if *is_flushed {
                    server.driver.flush_message().unwrap();
                }
            }
            server.driver.finish_message("").unwrap();
            let (first, payload) = message(&server.frames());
            let inflated = match first & 0x40 {
                0 => payload.clone(),
                _ if has_context => whole.message(&payload).unwrap(),
                _ => Puff::fresh(&payload).unwrap(),
            };
            prop_assert!(inflated == content);
            // And by a receiver of its own, which sees it in other pieces.
            let rsv = if first & 0x40 == 0 { 0 } else { RSV1 };
            streamed.push((Frame::binary(payload).rsv(rsv).bytes(), content));
        }
        let mut receiver = streaming(1 << 20);
        for (bytes, content) in streamed {
            let events = bytes.chunks(step).flat_map(|piece| receiver.feed(piece)).collect();
            prop_assert!(joined(events) == [binary(content)]);
        }
    }
}
