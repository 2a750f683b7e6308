//! What a client sends behind a handshake with compression, in pieces of any size.

#![no_main]

use common::{Cut, Frames, Options, by_event, check_frames, run};
use http::Request;
use libfuzzer_sys::fuzz_target;
use permessage_deflate::PermessageDeflate;
use websocket_driver::{Config, Driver};

#[derive(Debug, arbitrary::Arbitrary)]
struct Input {
    no_context_takeover: bool,
    options: Options,
    cut: Cut,
    frames: Frames,
}

fn open(input: &Input) -> Driver {
    let deflate = PermessageDeflate::new()
        .threshold(0)
        .no_context_takeover(input.no_context_takeover)
        .request_no_context_takeover(input.no_context_takeover);
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
    let config = input.options.limit(Config::server()).extension(deflate).expect("the first of its name");
    let mut driver = Driver::from_request(&request, config);
    let response = driver.accept().expect("a handshake");
    assert!(response.headers().contains_key("Sec-WebSocket-Extensions"));
    driver
}

fuzz_target!(|input: Input| {
    let mut bytes = Vec::new();
    input.frames.write(true, &mut bytes);

    let whole = run(open(&input), &bytes, &Cut::NONE, &input.options, by_event);
    check_frames(&whole.1, None, true);
    assert!(whole.0[1..].starts_with(&input.frames.messages(input.options.max_size())));
    assert_eq!(run(open(&input), &bytes, &input.cut, &input.options, by_event), whole);
});
