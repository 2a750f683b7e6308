//! A client of a hixie draft: its request, read by the driver or an HTTP stack, and its frames.

#![no_main]

use common::{App, Cut, Frames, HIXIE_BODY, HIXIE_DIGEST, Options, VERSIONS, assert_same, by_event};
use common::{accepted, check_hixie_frames, check_response, request_head};
use libfuzzer_sys::fuzz_target;
use websocket_driver::{Config, Driver, Version};

#[derive(Debug, arbitrary::Arbitrary)]
struct Input {
    version: u8,
    /// Whether a text is sent before the connection is open.
    is_early: bool,
    /// How many of the 8 bytes after the head of hixie-76 are received.
    body: u8,
    options: Options,
    cut: Cut,
    frames: Frames,
}

fuzz_target!(|input: Input| {
    let Input { options, cut, frames, .. } = &input;
    let version = VERSIONS[usize::from(input.version % 4)];
    let head = request_head(version, "");
    let mut behind = Vec::new();
    if version == Version::Hixie76 {
        behind.extend(HIXIE_BODY.iter().take(input.body.into()));
    }
    frames.write(true, &mut behind);
    let bytes = [head.as_bytes(), &behind].concat();

    let serve = |cut: &Cut, is_given: bool| {
        let mut app = App::new(options, cut);
        // The queue is limited by this, too, and must hold a text.
        let config = app.config(Config::server()).max_output(usize::MAX).allow_drafts(true).protocols(["a"]);
        let mut driver =
            if is_given { accepted(head.as_bytes(), &config).expect("a handshake").1 } else { Driver::server(config) };
        if input.is_early {
            app.send(&mut driver, "early");
        }
        app.run(driver, if is_given { &behind } else { &bytes }, by_event)
    };
    let whole = serve(&Cut::NONE, false);
    assert_same(&serve(cut, false), &whole);

    let given = serve(cut, true);
    assert_eq!((&given.events[..], &given.cause), (&whole.events[1..], &whole.cause));
    let (status, written) = check_response(&whole.written);
    assert_eq!((status, written), (101, &given.written[..]));
    let mut messages = frames.hixie_messages(options);
    match version {
        Version::Hixie75 => {
            check_hixie_frames(written, &given.messages, false);
            // A close ends the connection, as the draft has no closing handshake.
            messages.truncate(options.close_after().map_or(usize::MAX, |events| events - 1));
        }
        Version::Hixie76 if behind.starts_with(HIXIE_BODY) => {
            check_hixie_frames(written.strip_prefix(HIXIE_DIGEST).expect("the digest"), &given.messages, true);
        }
        // The bytes in its place are the body, if there are enough.
        Version::Hixie76 => return assert_eq!(given.is_open(), written.len() >= 16),
        _ => {
            given.check_frames(written, None, false);
            messages = frames.messages(options);
        }
    }
    assert!(given.events[1..].starts_with(&messages));
});
