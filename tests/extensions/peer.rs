//! A server under test, and a client without the code under test: it compresses with zlib-rs and
//! decompresses with [`Puff`](crate::puff::Puff).

use bytes::Buf;
use permessage_deflate::PermessageDeflate;
use proptest::test_runner::Config as ProptestConfig;
use websocket_driver::{Config, Driver, Event, Message, ServerConfig, Version};
use websocket_tests::chain::chain;
use websocket_tests::driver::events;
use websocket_tests::wire::{Answer, Frame, Handshake, read_frame};
use zlib_rs::{Deflate, DeflateFlush};

pub(crate) const RSV1: u8 = 0x40;
pub(crate) const RSV2: u8 = 0x20;
pub(crate) const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

/// The offer of most clients.
pub(crate) const OFFER: &str = "permessage-deflate; client_max_window_bits";

/// A driver that has read a handshake with an offer.
pub(crate) struct Server {
    pub(crate) driver: Driver,
    /// The extensions in the response.
    pub(crate) answered: Option<String>,
}

/// A frame written by the server: complete, not masked, with minimal length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

impl Server {
    /// Opens a connection with an offer of these header lines.
    pub(crate) fn open(config: ServerConfig, offers: &[&str]) -> Self {
        let handshake = Handshake::of(Version::Hybi13);
        let handshake = offers.iter().fold(handshake, |handshake, offer| handshake.with(EXTENSIONS, offer));
        let mut server = Self { driver: Driver::server(config), answered: None };
        assert_eq!(server.feed(handshake.bytes()), [Event::Connect, Event::Open]);
        let written = server.bytes();
        let (answer, len) = Answer::read(&written).expect("an answer");
        assert_eq!((answer.status, len), (101, written.len()));
        server.answered = match answer.all(EXTENSIONS)[..] {
            [] => None,
            [line] => Some(line.to_owned()),
            _ => panic!("several lines"),
        };
        // Only the memory of an open connection remains.
        server.driver.take_request();
        server
    }

    /// Opens a connection with compression, with an offer that leaves all options to the server.
    pub(crate) fn deflate(options: PermessageDeflate) -> Self {
        Self::limited(options, Config::server())
    }

    /// Like [`deflate`](Self::deflate), with limits.
    pub(crate) fn limited(options: PermessageDeflate, config: ServerConfig) -> Self {
        let server = Self::open(config.extension(options).expect("the first of its name"), &[OFFER]);
        assert!(server.answered.is_some());
        server
    }

    /// Receives bytes and returns the events that follow.
    pub(crate) fn feed(&mut self, bytes: impl AsRef<[u8]>) -> Vec<Event> {
        self.driver.receive(bytes.as_ref());
        events(&mut self.driver)
    }

    /// Returns the output since the last call.
    pub(crate) fn bytes(&mut self) -> Vec<u8> {
        let output = self.driver.output();
        output.copy_to_bytes(output.remaining()).to_vec()
    }

    /// Returns the output since the last call as frames.
    pub(crate) fn frames(&mut self) -> Vec<Written> {
        let bytes = self.bytes();
        let mut rest = &bytes[..];
        let mut frames = Vec::new();
        while !rest.is_empty() {
            let (header, payload, behind) = read_frame(rest).expect("a whole frame");
            assert!(header.key.is_none() && header.is_minimal(), "{header:?}");
            frames.push(Written { first: header.first, payload: payload.to_vec() });
            rest = behind;
        }
        frames
    }

    /// Sends a message and returns the single frame that results.
    pub(crate) fn send(&mut self, message: impl Into<Message>) -> Written {
        self.driver.send(message).expect("it is taken");
        let [frame] = self.frames().try_into().expect("one frame");
        frame
    }

    /// Asserts that these events and a close frame end the connection with this code, and returns
    /// the reason.
    #[track_caller]
    pub(crate) fn assert_failed(&mut self, events: &[Event], code: u16) -> String {
        let [Event::Error(error), Event::Close(close)] = events else {
            panic!("no failure: {events:?}");
        };
        assert_eq!(u16::from(close.code), code, "{error}");
        assert_eq!(close.reason.as_str(), chain(&error));
        let [frame] = self.frames().try_into().expect("a close frame and nothing else");
        assert_eq!((frame.first, &frame.payload[..2]), (0x88, &code.to_be_bytes()[..]));
        assert!(self.driver.is_closed());
        chain(&error)
    }
}

/// The client's compressor.
pub(crate) struct Deflater {
    deflate: Deflate,
    takeover: bool,
}

impl Deflater {
    pub(crate) fn new() -> Self {
        Self::with_window(15)
    }

    pub(crate) fn with_window(bits: u8) -> Self {
        Self { deflate: Deflate::new(6, false, bits), takeover: true }
    }

    /// Resets the context for every message.
    pub(crate) fn no_takeover(self) -> Self {
        Self { takeover: false, ..self }
    }

    /// RFC 7692 §7.2.1.
    pub(crate) fn message(&mut self, data: impl AsRef<[u8]>) -> Vec<u8> {
        let mut rest = data.as_ref();
        if rest.is_empty() {
            // zlib writes nothing for it after a flush.
            return vec![0x00];
        }
        let mut out = Vec::new();
        let mut step = vec![0; 128 * 1024];
        loop {
            let (read, written) = (self.deflate.total_in(), self.deflate.total_out());
            self.deflate.compress(rest, &mut step, DeflateFlush::SyncFlush).expect("it compresses");
            rest = &rest[(self.deflate.total_in() - read) as usize..];
            let written = (self.deflate.total_out() - written) as usize;
            out.extend_from_slice(&step[..written]);
            if rest.is_empty() && written < step.len() {
                break;
            }
        }
        assert_eq!(out.split_off(out.len() - 4), [0x00, 0x00, 0xff, 0xff]);
        if !self.takeover {
            self.deflate.reset();
        }
        out
    }

    /// Encodes a text message in one frame.
    pub(crate) fn text(&mut self, data: impl AsRef<[u8]>) -> Vec<u8> {
        compressed(1, self.message(data))
    }

    /// Encodes a binary message in one frame.
    pub(crate) fn binary(&mut self, data: impl AsRef<[u8]>) -> Vec<u8> {
        compressed(2, self.message(data))
    }
}

/// Encodes a message in one frame whose data is already compressed, or is invalid.
pub(crate) fn compressed(opcode: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    Frame::new(opcode, payload).rsv(RSV1).bytes()
}

/// Splits a compressed message into frames of `size` bytes.
pub(crate) fn fragments(opcode: u8, payload: &[u8], size: usize) -> Vec<Frame> {
    let parts: Vec<&[u8]> = payload.chunks(size).collect();
    let frame = |(i, part): (usize, &&[u8])| {
        let frame = if i == 0 { Frame::new(opcode, part).rsv(RSV1) } else { Frame::continuation(part) };
        if i + 1 < parts.len() { frame.more() } else { frame }
    };
    parts.iter().enumerate().map(frame).collect()
}

pub(crate) fn text(text: &str) -> Event {
    Event::Message(Message::text(text))
}

pub(crate) fn binary(bytes: impl AsRef<[u8]>) -> Event {
    Event::Message(Message::binary(bytes.as_ref().to_vec()))
}

/// Returns incompressible bytes, generated by xorshift.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(step).collect()
}

/// Returns text that compresses to about a third and has no short-distance repetitions.
pub(crate) fn prose(len: usize) -> String {
    let words = ["compress", "the", "window", "of", "a", "message", "kept", "or", "not", "is", "€"];
    let mut prose: String = noise(len / 3 + 8, 99).iter().map(|i| words[usize::from(*i) % words.len()]).collect();
    while prose.len() > len {
        prose.pop();
    }
    prose.push_str(&"x".repeat(len - prose.len()));
    prose
}

/// Sets the number of cases of a property. Failures are not persisted; they become separate tests.
pub(crate) fn cases(count: u32) -> ProptestConfig {
    ProptestConfig { cases: count, failure_persistence: None, ..ProptestConfig::default() }
}
