//! Frames of a client after a handshake with compression, in pieces of any size.

#![no_main]

use common::{App, Cut, Frames, Options, Outcome, accepted, alone, assert_same, by_event, request_head};
use libfuzzer_sys::fuzz_target;
use permessage_deflate::PermessageDeflate;
use websocket_driver::{Config, Version};

#[derive(Debug, arbitrary::Arbitrary)]
struct Input {
    no_context_takeover: bool,
    options: Options,
    cut: Cut,
    frames: Frames,
}

fn serve(input: &Input, bytes: &[u8], cut: &Cut) -> Outcome {
    let deflate = PermessageDeflate::new()
        .threshold(0)
        .no_context_takeover(input.no_context_takeover)
        .request_no_context_takeover(input.no_context_takeover);
    let mut app = App::new(&input.options, cut);
    let config = app.config(Config::server());
    let config = app.deflate(config, deflate);
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let head = request_head(Version::Hybi13, offer);
    let (response, driver) = accepted(head.as_bytes(), &config).expect("a handshake");
    assert!(response.headers().contains_key("Sec-WebSocket-Extensions"));
    app.run(driver, bytes, by_event)
}

fuzz_target!(|input: Input| {
    let mut bytes = Vec::new();
    input.frames.write(true, &mut bytes);

    let serve = |cut| alone(|| serve(&input, &bytes, cut));
    let whole = serve(&Cut::NONE);
    whole.check_frames(&whole.written, None, true);
    assert!(whole.events[1..].starts_with(&input.frames.messages(&input.options)));
    assert_same(&serve(&input.cut), &whole);
});
