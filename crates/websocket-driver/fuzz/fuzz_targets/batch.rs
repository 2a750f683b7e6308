//! Frames of a client that are read in batches, in each possible way. The results must be the same
//! as when reading event by event.

#![no_main]

use common::{App, Cut, Frames, Options, Step, Way, assert_same, by_batch, by_event, check_response, request_head};
use libfuzzer_sys::fuzz_target;
use websocket_driver::{Config, Driver, Version};

#[derive(Debug, arbitrary::Arbitrary)]
struct Input {
    options: Options,
    cut: Cut,
    steps: [Step; 4],
    frames: Frames,
}

fuzz_target!(|input: Input| {
    let Input { options, cut, steps, frames } = &input;
    let mut bytes = request_head(Version::Hybi13, "").into_bytes();
    frames.write(true, &mut bytes);
    let serve = |cut: &Cut, read: &mut dyn FnMut(&mut Driver, &mut App)| {
        let app = App::new(options, cut);
        let driver = Driver::server(app.config(Config::server()));
        app.run(driver, &bytes, read)
    };

    let whole = serve(&Cut::NONE, &mut by_event);
    let (status, written) = check_response(&whole.written);
    assert_eq!(status, 101);
    whole.check_frames(written, None, false);
    assert!(whole.events[2..].starts_with(&frames.messages(options)));
    assert_same(&serve(cut, &mut by_event), &whole);
    for way in [Way::Owned, Way::Borrowed, Way::Both] {
        assert_same(&serve(cut, &mut by_batch(steps, way)), &whole);
    }
});
