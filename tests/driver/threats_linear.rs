//! What comes in many pieces, and costs others time that grows with the square of them: each of these takes a second or two
//! where every byte is looked at once, and minutes where all that has come is looked at again with each piece.

use std::time::{Duration, Instant};

use bytes::BufMut;
use websocket_driver::{Event, Version};
use websocket_tests::wire::{Frame, hixie_text};

use crate::session::{Session, text};

const LIMIT: Duration = Duration::from_secs(20);

/// Fails as soon as the time is over, not at the end, which would be long in coming.
struct Watch {
    start: Instant,
    pieces: usize,
}

impl Watch {
    fn start() -> Self {
        Self { start: Instant::now(), pieces: 0 }
    }

    #[track_caller]
    fn piece(&mut self) {
        self.pieces += 1;
        if self.pieces.is_multiple_of(256) {
            let elapsed = self.start.elapsed();
            assert!(elapsed < LIMIT, "{elapsed:?} for {} pieces", self.pieces);
        }
    }
}

#[test]
fn utf8_over_many_fragments_is_looked_at_once() {
    // As many as there may be, cut inside the characters.
    let count = 128 * 1024;
    let message = "€".repeat(count * 128 / 3);
    let mut session = Session::open(Version::Hybi13);
    let mut watch = Watch::start();
    let mut events = Vec::new();
    let mut parts = message.as_bytes().chunks(128).enumerate().peekable();
    while let Some((i, part)) = parts.next() {
        let frame = if i == 0 { Frame::text(part) } else { Frame::continuation(part) };
        let frame = if parts.peek().is_some() { frame.more() } else { frame };
        events.extend(session.feed(frame.bytes()));
        watch.piece();
    }
    assert_eq!(watch.pieces, count);
    assert!(events == [text(&message)], "{} events", events.len());
}

/// Polled behind each byte.
fn byte_by_byte(version: Version, bytes: &[u8]) -> Vec<Event> {
    let mut session = Session::open(version);
    let mut watch = Watch::start();
    let mut events = Vec::new();
    for byte in bytes {
        session.driver.input().put_u8(*byte);
        events.extend(session.driver.poll_event());
        watch.piece();
    }
    events
}

#[test]
fn a_text_that_comes_byte_by_byte_is_looked_at_once() {
    let message = "€".repeat(350_000);
    let events = byte_by_byte(Version::Hybi13, &Frame::text(&message).bytes());
    assert!(events == [text(&message)], "{} events", events.len());
}

#[test]
fn a_fragment_that_comes_byte_by_byte_is_looked_at_once() {
    let (first, second) = ("€".repeat(1000), "€".repeat(350_000));
    let bytes = [Frame::text(&first).more().bytes(), Frame::continuation(&second).bytes()].concat();
    let events = byte_by_byte(Version::Hybi13, &bytes);
    assert!(events == [text(&(first + &second))], "{} events", events.len());
}

#[test]
fn a_hixie_text_that_comes_byte_by_byte_is_searched_once() {
    let message = "€".repeat(350_000);
    for version in [Version::Hixie76, Version::Hixie75] {
        let events = byte_by_byte(version, &hixie_text(&message));
        assert!(events == [text(&message)], "{} events", events.len());
    }
}
