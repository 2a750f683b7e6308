//! Input as the head of a request: a handshake with edits.

#![no_main]

use common::{
    App, Cut, Edits, Frames, Options, alone, assert_same, by_event, check_hixie_frames, check_response, edited,
};
use libfuzzer_sys::fuzz_target;
use permessage_deflate::PermessageDeflate;
use websocket_driver::{Config, Driver, Event, Handshake, ServerConfig, Version, is_handshake};

#[derive(Debug, arbitrary::Arbitrary)]
struct Input {
    allow_drafts: bool,
    max_head_size: u16,
    max_headers: u8,
    options: Options,
    cut: Cut,
    head: u8,
    edits: Edits,
    frames: Frames,
}

const HEADS: [&str; 7] = [
    "",
    "GET /chat HTTP/1.1\r\nHost: example.com\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "GET /chat?a=b HTTP/1.1\r\nHost: [::1]:8080\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
     Origin: http://example.com\r\nSec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Protocol: c\r\n\
     Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x; y=\"z\"\r\nContent-Length: 0\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "GET / HTTP/1.1\nHost: example.com\nConnection: Upgrade\nUpgrade: websocket\n\
     Sec-WebSocket-Version: 8\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n",
    "GET /demo HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: example.com\r\n\
     Origin: http://example.com\r\nWebSocket-Protocol: b\r\n\r\n",
    "GET /demo HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: example.com\r\n\
     Origin: http://example.com\r\nSec-WebSocket-Protocol: b\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n\
     Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n^n:ds[4U",
    "POST http://example.com/ HTTP/1.0\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n",
];

/// A server on an HTTP stack responds to the same request with the same status.
fn check_request(driver: &Driver, config: &ServerConfig, status: u16) {
    let request = driver.request().expect("a request");
    let answer = match Handshake::parse(request).and_then(|handshake| handshake.accept(config)) {
        Ok((response, given)) => {
            assert_eq!((given.version(), given.protocol()), (driver.version(), driver.protocol()));
            response.status()
        }
        Err(error) => error.status(),
    };
    assert!(is_handshake(request) || answer != 101);
    // It does not know about chunked bodies, which the HTTP stack has decoded.
    assert!(answer == status || request.headers().contains_key("Transfer-Encoding"), "{answer}, not {status}");
}

fuzz_target!(|input: Input| {
    let Input { options, cut, .. } = &input;
    let mut bytes = edited(HEADS[usize::from(input.head) % HEADS.len()].as_bytes(), &input.edits);
    input.frames.write(true, &mut bytes);
    // No head is shorter than an empty line.
    let max_head_size = usize::from(input.max_head_size.clamp(2, 16 * 1024));
    let config = |app: &mut App| {
        let config = app.config(Config::server()).allow_drafts(input.allow_drafts).protocols(["a", "b"]);
        let config = config.max_head_size(max_head_size).max_headers(input.max_headers.into());
        app.deflate(config, PermessageDeflate::new().threshold(0))
    };
    let serve = |cut: &Cut| {
        let mut app = App::new(options, cut);
        let driver = Driver::server(config(&mut app));
        app.run(driver, &bytes, by_event)
    };
    let whole = alone(|| serve(&Cut::NONE));
    assert_same(&alone(|| serve(cut)), &whole);

    // As a plain HTTP request, it is followed by the rest of the input, and its head is within the
    // limit.
    let config = config(&mut App::new(options, &Cut::NONE));
    let mut driver = Driver::server(config.clone());
    driver.receive(&bytes[..]);
    if driver.poll_event() == Some(Event::Connect) {
        assert_eq!(whole.events[0], Event::Connect);
        let behind = driver.input().clone();
        assert!(bytes.ends_with(&behind));
        let head = bytes.len() - behind.len();
        let lines = bytes.iter().position(|byte| !b"\r\n".contains(byte)).expect("a line");
        assert!(head - lines <= max_head_size);
    }

    if whole.written.is_empty() {
        // The head is incomplete, so there is no response.
        assert!(!whole.events.contains(&Event::Connect) && whole.events.len() == 1);
        return;
    }
    let (status, frames) = check_response(&whole.written);
    if whole.events[0] == Event::Connect {
        check_request(&driver, &config, status);
    }
    match (status, driver.version()) {
        (101, Some(Version::Hixie75)) => check_hixie_frames(frames, &whole.messages, false),
        (101, Some(Version::Hixie76)) if whole.is_open() => check_hixie_frames(&frames[16..], &whole.messages, true),
        (101, Some(Version::Hixie76)) => assert!(frames.is_empty()),
        (101, Some(_)) => whole.check_frames(frames, None, true),
        _ => assert!(frames.is_empty()),
    }
});
