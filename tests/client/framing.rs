//! The frames that a client writes, each masked with its own key (RFC 6455 §5.1, §5.3), and those
//! that it reads.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use websocket_driver::{CloseCode, Config, Event, Message, SendError};
use websocket_tests::wire::{Frame, LengthForm, MASK, frames};

use crate::both_sides::open;
use crate::session::{Client, ClientFrame, NONCE, Reply, client_frames, closed, config, mask, text};

#[test]
fn masked_text_matches_the_specification() {
    // RFC 6455 §5.7.
    let config = config().random(|bytes| match bytes.len() {
        4 => bytes.copy_from_slice(&MASK),
        _ => bytes.copy_from_slice(&NONCE),
    });
    let mut client = Client::open_with(config);
    client.driver.send("Hello").unwrap();
    assert_eq!(client.written(), [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
}

#[test]
fn every_frame_is_masked_with_the_next_key_of_the_configuration() {
    let mut client = Client::open();
    client.driver.send("text").unwrap();
    client.driver.send_ping("ping").unwrap();
    client.driver.send_pong("pong").unwrap();
    client.driver.send("").unwrap();
    assert_eq!(client.feed(Frame::ping("asked").unmasked().bytes()), [Event::Ping("asked".into())]);
    client.driver.send(vec![0; 300]).unwrap();
    client.driver.send(vec![1; 70_000]).unwrap();
    client.driver.start_close(CloseCode::NORMAL, "bye").unwrap();
    let expected: [(u8, &[u8]); 8] = [
        (0x81, b"text"),
        (0x89, b"ping"),
        (0x8a, b"pong"),
        (0x81, b""),
        (0x8a, b"asked"),
        (0x82, &[0; 300]),
        (0x82, &[1; 70_000]),
        (0x88, b"\x03\xe8bye"),
    ];
    let frames = client.frames();
    assert_eq!(frames.len(), expected.len());
    for ((number, (first, payload)), frame) in (0..).zip(expected).zip(frames) {
        assert_eq!((frame.first, frame.key), (first, mask(number)));
        assert!(frame.payload == payload, "the payload of {first:#x}");
    }
}

#[test]
fn closes_that_the_client_answers_or_fails_with_are_masked() {
    let mut client = Client::open();
    client.feed(Frame::close(1001, "bye").unmasked().bytes());
    let expected = ClientFrame { first: 0x88, key: mask(0), payload: 1001u16.to_be_bytes().into() };
    assert_eq!(client.frames(), [expected]);
    let mut client = Client::open();
    client.feed([0xff]);
    let frames = client.frames();
    assert_eq!((frames.len(), frames[0].first, frames[0].key), (1, 0x88, mask(0)));
}

#[test]
fn frames_take_four_random_bytes_and_connections_sixteen() {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let log = taken.clone();
    let config = Config::client().random(move |bytes| {
        assert!(bytes.iter().all(|byte| *byte == 0));
        log.lock().unwrap().push(bytes.len());
        bytes.fill(7);
    });
    let mut client = Client::new(config);
    assert_eq!(*taken.lock().unwrap(), [16]);
    client.driver.send("early").unwrap();
    client.driver.start().unwrap();
    assert_eq!(*taken.lock().unwrap(), [16], "the key of a frame is taken when it is written");
    drop(client);
    let mut client = Client::open();
    client.driver.send("x").unwrap();
    client.driver.send(vec![0; 100_000]).unwrap();
    assert_eq!(client.frames().iter().map(|frame| frame.key).collect::<Vec<_>>(), [mask(0), mask(1)]);
}

#[test]
fn default_keys_are_unpredictable() {
    let mut all = HashSet::new();
    for _ in 0..4 {
        // The key of the handshake is unknown here, so a real server responds.
        let (driver, _) = open(Config::client(), Config::server(), usize::MAX);
        let mut client = Client { driver };
        for _ in 0..250 {
            client.driver.send("Hello").unwrap();
        }
        all.extend(client.frames().into_iter().map(|frame| frame.key));
    }
    // Of 1,000 random 32-bit numbers, two are equal once in 8,600 times.
    assert!(all.len() >= 998, "{}", all.len());
    for at in 0..4 {
        let bytes: HashSet<u8> = all.iter().map(|key| key[at]).collect();
        assert!(bytes.len() > 200, "byte {at} has {} values", bytes.len());
    }
}

#[test]
fn lengths_are_in_their_shortest_form() {
    for (length, header) in [(0, 6), (125, 6), (126, 8), (65_535, 8), (65_536, 14)] {
        let mut client = Client::open();
        client.driver.send(vec![b'x'; length]).unwrap();
        let written = client.written();
        assert_eq!(written.len(), header + length);
        assert_eq!(client_frames(&written)[0].payload, vec![b'x'; length]);
    }
}

#[test]
fn unmasked_frames_of_every_length_are_read() {
    for length in [0, 1, 62, 63, 125, 126, 127, 65_535, 65_536, 200_000] {
        let payload: Vec<u8> = (0..length).map(|i| b'a' + (i % 26) as u8).collect();
        let message = Message::text(String::from_utf8(payload.clone()).unwrap());
        let bytes = frames([Frame::text(&payload).unmasked(), Frame::binary(&payload).unmasked()]);
        let expected = [Event::Message(message), Event::Message(Message::binary(payload))];
        assert_eq!(Client::open().feed(&bytes), expected, "{length}");
        if length < 70_000 {
            assert_eq!(Client::open().feed_slowly(&bytes), expected, "{length}");
        }
    }
}

#[test]
fn fragments_and_the_control_frames_between_them_are_read() {
    let bytes = frames(
        [
            Frame::text(b"\xe2\x82").more(),
            Frame::ping("1"),
            Frame::continuation(b"\xac, ").more(),
            Frame::pong("2"),
            Frame::continuation("").more(),
            Frame::continuation("and more"),
            Frame::binary([1]).more(),
            Frame::continuation([2]),
        ]
        .map(Frame::unmasked),
    );
    let expected = [
        Event::Ping("1".into()),
        Event::Pong("2".into()),
        text("€, and more"),
        Event::Message(Message::binary(vec![1, 2])),
    ];
    for slowly in [false, true] {
        let mut client = Client::open();
        let events = if slowly { client.feed_slowly(&bytes) } else { client.feed(&bytes) };
        assert_eq!(events, expected);
        assert_eq!(client.sent(), [(10, b"1".to_vec())]);
    }
}

#[test]
fn control_frames_of_the_server_are_answered() {
    let mut client = Client::open();
    for payload in [&b""[..], b"x", &[0xff; 125]] {
        let payload = Bytes::copy_from_slice(payload);
        assert_eq!(client.feed(Frame::ping(&payload).unmasked().bytes()), [Event::Ping(payload.clone())]);
        assert_eq!(client.sent(), [(10, payload.to_vec())]);
        assert_eq!(client.feed(Frame::pong(&payload).unmasked().bytes()), [Event::Pong(payload)]);
        assert_eq!(client.sent(), []);
    }
    assert_eq!(client.driver.send_ping(vec![0; 126]), Err(SendError::ControlTooLong));
    assert_eq!(client.driver.send_pong(vec![0; 126]), Err(SendError::ControlTooLong));
    assert_eq!(client.sent(), []);
}

#[test]
fn has_frame_is_known_before_the_event() {
    let mut client = Client::started(config());
    client.driver.receive(&Reply::right().then(b"\x81\x05Hel")[..]);
    assert!(!client.driver.has_frame(), "it is not open");
    assert_eq!(client.events(), [Event::Open]);
    assert!(!client.driver.has_frame());
    client.driver.receive(&b"lo"[..]);
    assert!(client.driver.has_frame());
    assert_eq!(client.events(), [text("Hello")]);
    assert!(!client.driver.has_frame());
    client.driver.receive(&Frame::text("masked").bytes()[..]);
    assert!(client.driver.has_frame(), "one that is wrong");
    assert_eq!(client.events().len(), 2);
}

#[test]
fn minimal_length_form_of_the_server_is_accepted() {
    let bytes = Frame::binary([0; 126]).unmasked().length_form(LengthForm::Bits16).bytes();
    assert_eq!(bytes[..4], [0x82, 126, 0, 126]);
    assert_eq!(Client::open().feed(bytes), [Event::Message(Message::binary(vec![0; 126]))]);
    assert_eq!(Client::open().feed(Frame::new(8, "").unmasked().bytes()), [closed(1005, "")]);
}
