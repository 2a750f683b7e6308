//! Input in many pieces, which takes quadratic time in other libraries. Each of these takes a
//! second or two if every byte is examined once, and minutes if all the input is examined again
//! with each piece.

use std::time::{Duration, Instant};

use bytes::{Buf, BufMut};
use websocket_driver::{Config, Event, PreparedMessage, Version};
use websocket_tests::wire::{Frame, frames, hixie_text, server_frames};

use crate::session::{Session, text};

const LIMIT: Duration = Duration::from_secs(20);

/// Fails as soon as the time limit is exceeded, rather than after minutes.
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
fn utf8_over_many_fragments_is_validated_once() {
    // The maximum number, split within characters.
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

/// Polled after each byte.
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
fn text_byte_by_byte_is_validated_once() {
    let message = "€".repeat(350_000);
    let events = byte_by_byte(Version::Hybi13, &Frame::text(&message).bytes());
    assert!(events == [text(&message)], "{} events", events.len());
}

#[test]
fn fragment_byte_by_byte_is_validated_once() {
    let (first, second) = ("€".repeat(1000), "€".repeat(350_000));
    let bytes = [Frame::text(&first).more().bytes(), Frame::continuation(&second).bytes()].concat();
    let events = byte_by_byte(Version::Hybi13, &bytes);
    assert!(events == [text(&(first + &second))], "{} events", events.len());
}

#[test]
fn hixie_text_byte_by_byte_is_searched_once() {
    let message = "€".repeat(350_000);
    for version in [Version::Hixie76, Version::Hixie75] {
        let events = byte_by_byte(version, &hixie_text(&message));
        assert!(events == [text(&message)], "{} events", events.len());
    }
}

/// Returns a session with 64 MiB of shared frames in its output, each a separate segment.
fn queued() -> (Session, Vec<u8>) {
    let mut session = Session::open_with(Version::Hybi13, Config::server().max_output(usize::MAX));
    let message = PreparedMessage::new(vec![7; 512]);
    for _ in 0..128 * 1024 {
        session.driver.send_prepared(&message).unwrap();
    }
    (session, [&[0x82, 126, 2, 0][..], &[7; 512]].concat())
}

#[test]
fn ping_flood_is_answered_in_linear_time() {
    let mut session = Session::open(Version::Hybi13);
    let mut watch = Watch::start();
    // As many as are answered individually.
    let burst = frames(vec![Frame::ping(""); 8 * 1024]);
    for _ in 0..256 {
        session.driver.receive(&burst[..]);
        while session.driver.poll_event().is_some() {
            watch.piece();
        }
        assert_eq!(session.written().len(), 2 * 8 * 1024);
    }
}

#[test]
fn pings_behind_many_messages_take_linear_time() {
    for opcode in [9, 10] {
        let (mut session, frame) = queued();
        let mut watch = Watch::start();
        // Starts to write the first message.
        session.driver.output().advance(1);
        for _ in 0..100_000 {
            if opcode == 9 { session.driver.send_ping("") } else { session.driver.send_pong("") }.unwrap();
            watch.piece();
        }
        let mut expected = frame[1..].to_vec();
        expected.extend([0x80 | opcode, 0].repeat(100_000));
        let output = session.driver.output();
        assert!(output.copy_to_bytes(expected.len()) == expected);
        assert_eq!(output.remaining(), (128 * 1024 - 1) * frame.len());
    }
}

#[test]
fn partial_writes_of_many_messages_take_linear_time() {
    for step in [100, 515] {
        let (mut session, frame) = queued();
        let mut watch = Watch::start();
        let output = session.driver.output();
        while output.remaining() > step {
            output.advance(step);
            watch.piece();
        }
        let rest = output.remaining();
        assert!(session.written() == frame[frame.len() - rest..]);
    }
}

#[test]
fn pings_between_partial_writes_take_linear_time() {
    let (mut session, frame) = queued();
    let mut watch = Watch::start();
    let mut written = Vec::new();
    for number in 0..200_000u32 {
        session.driver.send_ping(number.to_be_bytes().to_vec()).unwrap();
        // First slower than pings are queued, then faster, so that messages are overtaken and
        // started.
        let step = if number % 1000 < 500 { 3 } else { 40 };
        written.extend_from_slice(&session.driver.output().copy_to_bytes(step));
        watch.piece();
    }
    written.extend(session.written());
    let frames = server_frames(&written);
    let pings = frames.iter().filter(|frame| frame.opcode == 9).zip(0u32..);
    assert_eq!(pings.clone().count(), 200_000);
    assert!(pings.clone().all(|(ping, number)| ping.payload == number.to_be_bytes()));
    let messages: Vec<_> = frames.iter().filter(|frame| frame.opcode == 2).collect();
    assert!(messages.len() == 128 * 1024 && messages.iter().all(|message| message.payload == frame[4..]));
}
