//! What a client sends behind a handshake with compression, in pieces of any size.

#![no_main]

use bytes::Buf;
use http::Request;
use libfuzzer_sys::fuzz_target;
use permessage_deflate::PermessageDeflate;
use websocket_driver::{Config, Driver, Event, Message};

#[derive(Debug, arbitrary::Arbitrary)]
struct Input {
    no_context_takeover: bool,
    /// Frames as they should be, or bytes.
    frames: Vec<Frame>,
    sizes: Vec<u8>,
}

#[derive(Debug, arbitrary::Arbitrary)]
enum Frame {
    Raw(Vec<u8>),
    Masked { first: u8, mask: [u8; 4], payload: Vec<u8> },
}

impl Frame {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Raw(bytes) => out.extend(bytes),
            Self::Masked { first, mask, payload } => {
                out.push(*first);
                match payload.len() {
                    len @ 0..=125 => out.push(0x80 | len as u8),
                    len => out.extend([0xfe, (len >> 8) as u8, len as u8]),
                }
                out.extend(mask);
                out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
            }
        }
    }
}

fn open(no_context_takeover: bool) -> Driver {
    let options = PermessageDeflate::new()
        .threshold(0)
        .no_context_takeover(no_context_takeover)
        .request_no_context_takeover(no_context_takeover);
    let config = Config::server().max_message_size(10_000).max_output(usize::MAX);
    let request = Request::builder()
        .uri("/")
        .header("Host", "localhost")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")
        .body(())
        .expect("a request");
    let config = config.extension(options).expect("the first of its name");
    let mut driver = Driver::from_request(&request, config);
    let response = driver.accept().expect("a handshake");
    assert!(response.headers().contains_key("Sec-WebSocket-Extensions"));
    assert_eq!(driver.poll_event(), Some(Event::Open));
    driver
}

/// Takes all events, and echoes the messages.
fn poll(driver: &mut Driver, events: &mut Vec<Event>) {
    while let Some(event) = driver.poll_event() {
        if let Event::Message(message) = &event {
            assert!(message.len() <= 10_000);
            if let Message::Text(text) = message {
                assert!(std::str::from_utf8(text.as_bytes()).is_ok());
            }
            let _ = driver.send(message.clone());
        }
        events.push(event);
    }
}

/// What a server writes: whole frames, none masked, RSV1 on data only.
fn check_output(mut written: &[u8]) {
    while let [first, second, rest @ ..] = written {
        assert!(matches!(first, 0x81 | 0x82 | 0xc1 | 0xc2 | 0x88 | 0x89 | 0x8a), "{first:#x}");
        let (len, rest) = match second {
            0..=125 => (usize::from(*second), rest),
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            _ => panic!("{second:#x}"),
        };
        written = &rest[len..];
    }
    assert!(written.is_empty());
}

fuzz_target!(|input: Input| {
    let mut bytes = Vec::new();
    input.frames.iter().for_each(|frame| frame.write(&mut bytes));

    let (mut whole, mut whole_events) = (open(input.no_context_takeover), Vec::new());
    whole.receive(&bytes[..]);
    poll(&mut whole, &mut whole_events);
    whole.receive_eof();
    poll(&mut whole, &mut whole_events);
    assert!(matches!(whole_events.last(), Some(Event::Close(_))));
    assert!(whole.is_closed());
    let output = whole.output();
    let written = output.copy_to_bytes(output.remaining());
    check_output(&written);

    let (mut cut, mut cut_events) = (open(input.no_context_takeover), Vec::new());
    let mut rest = &bytes[..];
    for size in input.sizes.iter().cycle().take(if input.sizes.is_empty() { 0 } else { bytes.len() }) {
        let (piece, after) = rest.split_at(rest.len().min(usize::from(*size) + 1));
        cut.receive(piece);
        poll(&mut cut, &mut cut_events);
        rest = after;
    }
    cut.receive(rest);
    poll(&mut cut, &mut cut_events);
    cut.receive_eof();
    poll(&mut cut, &mut cut_events);
    assert_eq!(cut_events, whole_events);
    let output = cut.output();
    assert_eq!(output.copy_to_bytes(output.remaining()), written);
});
