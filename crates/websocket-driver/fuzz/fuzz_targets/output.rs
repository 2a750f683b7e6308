//! Messages of an application and pings of a peer, with writes of any size in between. The written
//! frames must be those that were sent.

#![no_main]

use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};
use common::{ACCEPTED, MASK, Mask, RANDOM, Watch, read_frame, read_frames, request_head, size};
use http::Uri;
use libfuzzer_sys::fuzz_target;
use websocket_driver::{CloseCode, Config, Driver, Event, Message, PreparedMessage, SendError};
use websocket_driver::{Traffic, Version};

#[derive(Debug, arbitrary::Arbitrary)]
struct Input {
    is_client: bool,
    is_observed: bool,
    max_output: u8,
    end: End,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, arbitrary::Arbitrary)]
enum Step {
    Send {
        how: u8,
        is_text: bool,
        size: u8,
    },
    Ping(u8),
    Pong(u8),
    /// Received from the peer.
    Pinged(u8),
    Write(u8),
    WriteVectored(u8, u8),
    WriteAll,
    Lend(u8),
    Reclaim,
    Close,
}

#[derive(Debug, Clone, Copy, arbitrary::Arbitrary)]
enum End {
    Close,
    PeerCloses,
    PeerFails,
    Transport,
}

/// The limit of sent bytes, so that a run stays short.
const MAX_SENT: usize = 512 * 1024;
const MAX_STEPS: usize = 200;

/// More slices than this number of steps can produce.
const MAX_SLICES: usize = 1024;

/// From this size of the output, control frames precede it.
const LONG: usize = 16 * 1024;

/// A connection and its expected output.
struct Wire<'a> {
    input: &'a Input,
    watch: Watch,
    driver: Driver,
    written: Vec<u8>,
    /// The length of the handshake before the frames, and the start of a frame that follows all
    /// those seen in the output.
    head: usize,
    place: usize,
    messages: Vec<Message>,
    /// First bytes and payloads of sent control frames, and pings of the peer.
    controls: Vec<(u8, Vec<u8>)>,
    pings: Vec<Vec<u8>>,
    sent: usize,
    number: u8,
    /// Whether a pong was put before the waiting output, and nothing was written since.
    is_answered: bool,
    is_closing: bool,
    /// The maximum size of the output, and the largest buffer provided for reading.
    max_waiting: usize,
    max_lent: usize,
}

impl<'a> Wire<'a> {
    fn open(input: &'a Input) -> Self {
        let watch = Watch::new(input.is_observed);
        let max_output = 4 * size(input.max_output);
        let mut driver;
        if input.is_client {
            let config = watch.config(Config::client()).max_output(max_output);
            let config = config.random(|bytes| bytes.copy_from_slice(&RANDOM[..bytes.len()]));
            driver = Driver::client(&Uri::from_static("ws://example.com/"), config).expect("a URL");
            driver.start().expect("a request to write");
            driver.receive(format!("{ACCEPTED}\r\n").as_bytes());
        } else {
            driver = Driver::server(watch.config(Config::server()).max_output(max_output));
            driver.receive(request_head(Version::Hybi13, "").as_bytes());
            assert_eq!(driver.poll_event(), Some(Event::Connect));
            driver.start().expect("a request");
        }
        assert_eq!(driver.poll_event(), Some(Event::Open));
        let head = driver.output().remaining();
        Self {
            input,
            watch,
            driver,
            written: Vec::new(),
            head,
            place: head,
            messages: Vec::new(),
            controls: Vec::new(),
            pings: Vec::new(),
            sent: 0,
            number: 0,
            is_answered: false,
            is_closing: false,
            max_waiting: 0,
            max_lent: 0,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Send { how, is_text, size } => {
                self.send(how, is_text, usize::from(size) * 800 + usize::from(how / 4))
            }
            Step::Ping(len) => self.control(0x89, len),
            Step::Pong(len) => self.control(0x8a, len),
            Step::Pinged(len) => self.pinged(len),
            Step::Write(len) => self.write(0, size(len)),
            Step::WriteVectored(slices, len) => self.write(slices.into(), size(len)),
            Step::WriteAll => self.write_all(),
            Step::Lend(len) => {
                self.max_lent = self.max_lent.max(size(len));
                self.driver.output().lend(BytesMut::with_capacity(size(len)));
            }
            Step::Reclaim => {
                let has_remaining = self.driver.output().has_remaining();
                let buffer = self.driver.output().reclaim();
                assert!(buffer.is_empty() && (!has_remaining || buffer.capacity() == 0));
            }
            Step::Close => self.close(),
        }
        self.check_chunks();
    }

    fn send(&mut self, how: u8, is_text: bool, len: usize) {
        if self.sent + len > MAX_SENT {
            return;
        }
        self.number += 1;
        let fill = vec![self.number & 0x7f; len];
        let message = if is_text { String::from_utf8(fill).expect("ASCII").into() } else { Message::from(fill) };
        let taken = match how % 4 {
            0 => self.driver.send(message.clone()),
            1 => self.driver.send_borrowed(message.borrowed()),
            2 => self.driver.send_prepared(&PreparedMessage::new(message.clone())),
            // A message without other owners is masked in place.
            _ => self.driver.send(message.borrowed()),
        };
        if self.is_taken(taken) {
            self.sent += len;
            self.messages.push(message);
        }
    }

    fn control(&mut self, first: u8, len: u8) {
        let payload = self.payload(len);
        let is_long = self.driver.output().remaining() >= LONG;
        let data = Bytes::from(payload.clone());
        let taken = if first == 0x89 { self.driver.send_ping(data) } else { self.driver.send_pong(data) };
        if !self.is_taken(taken) {
            return;
        }
        if is_long && !payload.is_empty() {
            self.check_ahead(first, &payload);
        }
        self.controls.push((first, payload));
    }

    /// The frame precedes all messages that are not partially written.
    fn check_ahead(&mut self, first: u8, payload: &[u8]) {
        let (output, mut slices) = (self.driver.output(), [IoSlice::new(&[]); MAX_SLICES]);
        let count = output.chunks_vectored(&mut slices);
        let mut all = self.written.clone();
        slices[..count].iter().for_each(|slice| all.extend_from_slice(slice));
        let (mut rest, mut unwritten) = (&all[self.place..], self.written.len().saturating_sub(self.place));
        loop {
            assert!(unwritten > 0 || rest[0] & 0x08 != 0, "it waits behind a message");
            let (frame, behind) = read_frame(rest, self.key(), false);
            if (frame.first, &frame.payload[..]) == (first, payload) {
                return;
            }
            let size = rest.len() - behind.len();
            if size <= unwritten {
                self.place += size;
            }
            (rest, unwritten) = (behind, unwritten.saturating_sub(size));
        }
    }

    fn pinged(&mut self, len: u8) {
        let payload = self.payload(len);
        let before = self.driver.output().remaining();
        self.receive(0x89, &payload);
        assert_eq!(self.driver.poll_event(), Some(Event::Ping(payload.clone().into())));
        assert_eq!(self.driver.poll_event(), None);
        self.watch.check_charge(&self.driver);
        let after = self.driver.output().remaining();
        if self.is_closing {
            return assert_eq!(before, after);
        }
        self.pings.push(payload);
        // A peer that pings without reading does not make the output grow.
        assert!(before < LONG || !self.is_answered || before == after);
        self.is_answered |= before >= LONG && after > before;
    }

    fn write(&mut self, slices: usize, size: usize) {
        let (output, mut buf) = (self.driver.output(), [IoSlice::new(&[]); 8]);
        let bytes: Vec<u8> = match slices {
            0 => output.chunk().iter().copied().take(size).collect(),
            _ => {
                let count = output.chunks_vectored(&mut buf[..slices.min(8)]);
                buf[..count].iter().flat_map(|slice| slice.iter().copied()).take(size).collect()
            }
        };
        output.advance(bytes.len());
        self.is_answered &= bytes.is_empty();
        self.written.extend(bytes);
    }

    fn write_all(&mut self) {
        while self.driver.output().has_remaining() {
            self.write(8, usize::MAX);
        }
    }

    fn close(&mut self) {
        self.is_closing = true;
        self.driver.start_close(CloseCode::NORMAL, "bye").expect("a code and a reason");
    }

    fn finish(mut self) {
        let was_closing = self.is_closing;
        match self.input.end {
            End::Close => self.close(),
            End::PeerCloses => self.receive(0x88, &[0x03, 0xe8]),
            End::PeerFails => self.receive(0x83, &[]),
            End::Transport => self.write_all(),
        }
        let mut events: Vec<_> = std::iter::from_fn(|| self.driver.poll_event()).collect();
        self.driver.receive_eof();
        events.extend(std::iter::from_fn(|| self.driver.poll_event()));
        self.write_all();
        let (error, cause) = match &events[..] {
            [Event::Close(_)] => (None, self.driver.close_cause().expect("a cause").clone()),
            [Event::Error(error), Event::Close(_)] => {
                (Some(error), self.driver.close_cause().expect("a cause").clone())
            }
            events => panic!("{events:?} at the end"),
        };

        let (code, kind) = match self.input.end {
            _ if self.is_closing => (Some(CloseCode::NORMAL), "local"),
            End::PeerFails => (Some(CloseCode::PROTOCOL_ERROR), "protocol"),
            End::Transport => (None, "ended"),
            _ => (Some(CloseCode::NORMAL), "remote"),
        };
        assert_eq!(cause.kind(), kind);
        let mut frames = read_frames(&self.written[self.head..], self.key(), false);
        assert_eq!(frames.pop_if(|frame| frame.first == 0x88).and_then(|frame| frame.close_code()), code);
        let (mut controls, messages): (Vec<_>, Vec<_>) = frames.into_iter().partition(|frame| frame.first & 0x08 != 0);
        assert_eq!(messages.len(), self.messages.len());
        for (frame, message) in messages.iter().zip(&self.messages) {
            assert_eq!(frame.first, if message.as_text().is_some() { 0x81 } else { 0x82 });
            assert!(frame.payload == message.as_bytes());
        }
        for (first, payload) in &self.controls {
            let at = controls.iter().position(|frame| (frame.first, &frame.payload) == (*first, payload));
            controls.remove(at.expect("each control"));
        }
        // The rest are pongs, one of them to the latest ping.
        if let Some(ping) = self.pings.last().filter(|_| !was_closing && matches!(self.input.end, End::Transport)) {
            assert!(controls.iter().any(|frame| frame.payload == *ping));
        }
        for frame in controls {
            let at = self.pings.iter().position(|ping| (0x8a, ping) == (frame.first, &frame.payload));
            self.pings.remove(at.expect("a ping for each answer"));
        }

        let mut traffic = Traffic::default();
        traffic.messages_sent = self.messages.len() as u64;
        traffic.payload_sent = self.sent as u64;
        traffic.wire_received = u64::MAX;
        traffic.wire_sent = self.written.len() as u64;
        drop(self.driver);
        self.watch.check(true, error, &cause, &traffic);
    }

    fn check_chunks(&mut self) {
        let (output, mut slices) = (self.driver.output(), [IoSlice::new(&[]); MAX_SLICES]);
        let (count, remaining) = (output.chunks_vectored(&mut slices), output.remaining());
        let slices = &slices[..count];
        assert!(count < MAX_SLICES && slices.iter().all(|slice| !slice.is_empty()));
        assert_eq!(slices.iter().map(|slice| slice.len()).sum::<usize>(), remaining);
        assert_eq!(output.chunk(), slices.first().map_or(&[][..], |slice| slice));
        self.max_waiting = self.max_waiting.max(remaining);
        let memory = self.driver.memory() - size_of::<Driver>();
        assert!(memory >= remaining && memory <= 4 * self.max_waiting + self.max_lent + 1024, "{memory}");
    }

    fn receive(&mut self, first: u8, payload: &[u8]) {
        let masked = if self.input.is_client { 0 } else { 0x80 };
        let mask = if self.input.is_client { &[][..] } else { &[0; 4] };
        self.driver.receive(&[&[first, masked | payload.len() as u8], mask, payload].concat()[..]);
    }

    /// A unique payload, unless it is empty.
    fn payload(&mut self, len: u8) -> Vec<u8> {
        self.number += 1;
        vec![self.number; usize::from(len % 126)]
    }

    fn is_taken(&self, sent: Result<(), SendError>) -> bool {
        assert!(sent.is_ok() || self.is_closing || self.driver.is_output_full());
        sent.is_ok()
    }

    fn key(&self) -> Option<Mask> {
        self.input.is_client.then_some(MASK)
    }
}

fuzz_target!(|input: Input| {
    let mut wire = Wire::open(&input);
    for step in input.steps.iter().take(MAX_STEPS) {
        wire.step(*step);
    }
    wire.finish();
});
