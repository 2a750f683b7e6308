//! Large payloads: masked in place if their buffer is not shared, otherwise in a copy. The caller's
//! data never changes.

use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};
use websocket_driver::{Event, Message, SendError, Utf8Bytes};
use websocket_tests::wire::{Frame, frames};

use crate::session::{Client, ClientFrame, client_frames, config, mask};

/// From this length on, a payload is a separate segment.
const OWN_SEGMENT: usize = 16 * 1024;

const LENGTHS: [usize; 9] = [0, 1, 125, 126, OWN_SEGMENT - 1, OWN_SEGMENT, OWN_SEGMENT + 1, 2 * OWN_SEGMENT, 100_001];

static STATIC: [u8; 100_001] = [b'S'; 100_001];

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 % 251) as u8).collect()
}

fn letters(length: usize) -> String {
    (0..length).map(|i| char::from(b'a' + (i % 26) as u8)).collect()
}

/// Sends a message and asserts that it was written, masked with the first key.
#[track_caller]
fn assert_sent(message: impl Into<Message>, first: u8, expected: &[u8]) {
    let mut client = Client::open();
    client.driver.send(message).unwrap();
    let frames = client.frames();
    assert_eq!(frames.len(), 1);
    let expected = ClientFrame { first, key: mask(0), payload: expected.to_vec() };
    assert!(frames[0] == expected, "{} bytes", expected.payload.len());
}

#[test]
fn payload_that_the_caller_still_holds_is_not_changed() {
    for length in LENGTHS {
        let expected = pattern(length);
        let bytes = Bytes::from(expected.clone());
        let held = bytes.clone();
        assert_sent(bytes, 0x82, &expected);
        assert!(held == expected, "{length} bytes");

        let frozen = BytesMut::from(&expected[..]).freeze();
        let held = frozen.clone();
        assert_sent(frozen, 0x82, &expected);
        assert!(held == expected, "{length} bytes");

        let text = Utf8Bytes::from(letters(length));
        let held = text.clone();
        assert_sent(text, 0x81, letters(length).as_bytes());
        assert!(held.as_str() == letters(length), "{length} bytes");

        let owned = Bytes::from_owner(expected.clone());
        let held = owned.clone();
        assert_sent(owned, 0x82, &expected);
        assert!(held == expected, "{length} bytes");
    }
}

#[test]
fn parts_of_one_buffer_do_not_affect_each_other() {
    let whole = Bytes::from(pattern(5 * OWN_SEGMENT));
    for range in [0..2 * OWN_SEGMENT, OWN_SEGMENT..3 * OWN_SEGMENT, 4 * OWN_SEGMENT..5 * OWN_SEGMENT] {
        assert_sent(whole.slice(range.clone()), 0x82, &pattern(5 * OWN_SEGMENT)[range]);
    }
    assert!(whole == pattern(5 * OWN_SEGMENT));
    // The same with a buffer that can still be written to.
    let mut buffer = BytesMut::from(&pattern(4 * OWN_SEGMENT)[..]);
    let part = buffer.split_to(2 * OWN_SEGMENT).freeze();
    assert_sent(part, 0x82, &pattern(2 * OWN_SEGMENT));
    assert!(buffer == pattern(4 * OWN_SEGMENT)[2 * OWN_SEGMENT..]);
}

#[test]
fn payload_that_is_not_shared_is_transmitted_unchanged() {
    for length in LENGTHS {
        assert_sent(pattern(length), 0x82, &pattern(length));
        assert_sent(BytesMut::from(&pattern(length)[..]).freeze(), 0x82, &pattern(length));
        assert_sent(letters(length), 0x81, letters(length).as_bytes());
        let mut advanced = Bytes::from(pattern(length + 3));
        advanced.advance(3);
        assert_sent(advanced, 0x82, &pattern(length + 3)[3..]);
    }
}

#[test]
fn static_payload_is_sent_and_not_changed() {
    for length in LENGTHS {
        assert_sent(Bytes::from_static(&STATIC[..length]), 0x82, &vec![b'S'; length]);
        let text = std::str::from_utf8(&STATIC[..length]).unwrap();
        assert_sent(Utf8Bytes::from_static(text), 0x81, &vec![b'S'; length]);
    }
    assert!(STATIC.iter().all(|byte| *byte == b'S'));
}

#[test]
fn payload_can_be_sent_many_times_and_on_many_connections() {
    let message = Message::binary(pattern(3 * OWN_SEGMENT));
    let mut clients = [Client::open_with(config().max_output(usize::MAX)), Client::open()];
    for client in &mut clients {
        client.driver.send(message.clone()).unwrap();
        client.driver.send(message.clone()).unwrap();
    }
    for client in &mut clients {
        let frames = client.frames();
        assert_eq!(frames.iter().map(|frame| frame.key).collect::<Vec<_>>(), [mask(0), mask(1)]);
        assert!(frames.iter().all(|frame| frame.payload == message.as_bytes()));
    }
    assert!(message.as_bytes() == pattern(3 * OWN_SEGMENT));
}

#[test]
fn received_payload_is_echoed_without_harm_to_its_neighbours() {
    let (one, two) = (pattern(3 * OWN_SEGMENT), letters(2 * OWN_SEGMENT));
    let mut client = Client::open();
    client.driver.receive(&frames([Frame::binary(&one).unmasked(), Frame::text(&two).unmasked()])[..]);
    let Some(Event::Message(first)) = client.driver.poll_event() else { panic!("a message") };
    client.driver.send(first).unwrap();
    let Some(Event::Message(second)) = client.driver.poll_event() else { panic!("a message") };
    assert!(second.as_text() == Some(&two));
    client.driver.send(second).unwrap();
    let sent = client.sent();
    assert!(sent == [(2, one), (1, two.into_bytes())]);
}

#[test]
fn large_payloads_are_separate_segments_and_keep_their_order() {
    let mut client = Client::open_with(config().max_output(usize::MAX));
    let large = BytesMut::from(&pattern(OWN_SEGMENT)[..]).freeze();
    let (address, length) = (large.as_ptr(), large.len());
    client.driver.send("before").unwrap();
    client.driver.send(large).unwrap();
    client.driver.send("behind").unwrap();
    client.driver.send(pattern(OWN_SEGMENT - 1)).unwrap();
    client.driver.send(pattern(40_000)).unwrap();
    let output = client.driver.output();
    let mut slices = [IoSlice::new(&[]); 8];
    let count = output.chunks_vectored(&mut slices);
    let lengths: Vec<usize> = slices[..count].iter().map(|slice| slice.len()).collect();
    assert_eq!(lengths, [12 + 8, length, 12 + 8 + OWN_SEGMENT - 1 + 8, 40_000]);
    assert_eq!(slices[1].as_ptr(), address, "nobody else held it, so it was masked in place");
    assert_eq!(output.remaining(), lengths.iter().sum::<usize>());
    // Written in pieces that end anywhere.
    let mut written = Vec::new();
    while client.driver.output().has_remaining() {
        let output = client.driver.output();
        let piece = output.remaining().min(7_777);
        written.extend(output.copy_to_bytes(piece));
    }
    let frames = client_frames(&written);
    let payloads: Vec<&[u8]> = frames.iter().map(|frame| &frame.payload[..]).collect();
    let (a, b, c) = (pattern(OWN_SEGMENT), pattern(OWN_SEGMENT - 1), pattern(40_000));
    assert!(payloads == [&b"before"[..], &a, b"behind", &b, &c]);
}

#[test]
fn output_is_bounded_for_a_client() {
    let mut client = Client::open_with(config().max_output(1000));
    client.driver.send(vec![0; 2000]).unwrap();
    assert!(client.driver.is_output_full());
    assert_eq!(client.driver.send("more"), Err(SendError::OutputFull));
    assert_eq!(client.driver.send_ping("more"), Err(SendError::OutputFull));
    assert_eq!(client.frames().len(), 1);
    client.driver.send("more").unwrap();
    assert_eq!(client.frames()[0].key, mask(1), "what was refused took no key");
}
