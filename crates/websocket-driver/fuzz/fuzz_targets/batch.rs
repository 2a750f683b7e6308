//! What a client sends, read message by message off a batch, in each of its ways: it is the same as read event by event.

#![no_main]

use common::{App, Cut, Frames, Options, by_event, check_frames, check_response, run};
use libfuzzer_sys::fuzz_target;
use websocket_driver::{Batch, Config, Driver, Event, Scratch};

#[derive(Debug, arbitrary::Arbitrary)]
struct Input {
    options: Options,
    cut: Cut,
    /// What the reader does next, over and over.
    steps: [Step; 4],
    frames: Frames,
}

#[derive(Debug, Clone, Copy, arbitrary::Arbitrary)]
struct Step {
    /// How many messages are read before the batch is taken back: one at least, or else the reading might never end.
    messages: u8,
    how: u8,
}

impl Step {
    fn is(self, bit: u8) -> bool {
        self.how & 1 << bit != 0
    }
}

/// How messages are taken off a batch.
#[derive(Debug, Clone, Copy)]
enum Way {
    Owned,
    Borrowed,
    Both,
}

const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Takes the next message off the batch.
fn next(driver: &mut Driver, app: &mut App, batch: &mut Batch, is_borrowed: bool) -> bool {
    let has_next = batch.has_next();
    let had = if is_borrowed {
        batch.next_borrowed(&mut Scratch::default()).map(|message| app.look(driver, message)).is_some()
    } else {
        batch.next().map(|message| app.take(driver, Event::Message(message))).is_some()
    };
    assert!(has_next || !had);
    had
}

/// Reads as `tower_websocket::WebSocket` does, and now and then takes the batch back with messages still in it.
fn by_batch<'a>(
    driver: &mut Driver,
    app: &mut App,
    batch: &mut Batch,
    steps: &mut impl Iterator<Item = &'a Step>,
    way: Way,
) {
    for step in steps {
        for message in 0..step.messages.max(1) {
            let is_borrowed = match way {
                Way::Owned => false,
                Way::Borrowed => true,
                Way::Both => step.is(message % 8),
            };
            if !next(driver, app, batch, is_borrowed) {
                break;
            }
        }
        // Asked while the batch is lent, to know whether it is better to write later.
        if step.is(0) {
            driver.has_frame();
        }
        driver.take_back(batch);
        if step.is(1) {
            driver.has_frame();
        }
        if !step.is(2) {
            driver.lend(batch);
            if batch.has_next() && !step.is(3) {
                continue;
            }
            driver.take_back(batch);
        }
        match driver.poll_event() {
            Some(event) => app.take(driver, event),
            None => break,
        }
    }
    assert!(!batch.has_next());
}

fuzz_target!(|input: Input| {
    let Input { options, cut, steps, frames } = &input;
    let mut bytes = HEAD.to_vec();
    frames.write(true, &mut bytes);
    let driver = || Driver::server(options.limit(Config::server()));

    let whole = run(driver(), &bytes, &Cut::NONE, options, by_event);
    let (status, written) = check_response(&whole.1);
    assert_eq!(status, 101);
    check_frames(written, None, false);
    assert!(whole.0[2..].starts_with(&frames.messages(options.max_size())));
    assert_eq!(run(driver(), &bytes, cut, options, by_event), whole);
    for way in [Way::Owned, Way::Borrowed, Way::Both] {
        let (mut batch, mut steps) = (Batch::default(), steps.iter().cycle());
        let read = |driver: &mut Driver, app: &mut App| by_batch(driver, app, &mut batch, &mut steps, way);
        assert_eq!(run(driver(), &bytes, cut, options, read), whole, "{way:?}");
    }
});
