use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use permessage_deflate::PermessageDeflate;
use websocket_driver::{CloseCause, CloseCode, CloseFrame, Config, Driver, Event, Message, MessageRef, TransportEnd};
use websocket_driver::{PreparedMessage, ProtocolError, ReadyState, SendError, Traffic};

use crate::manner::Manner;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::pieces::Pieces;
use crate::watch::Watch;
use crate::wire::Cut;

/// The maximum size of a head, the default of [`Config::max_head_size`].
const MAX_HEAD: usize = 16 * 1024;

/// The maximum memory of both codecs of a connection.
const CODECS: usize = 448 * 1024;

/// The maximum size of a handshake response, and of a control frame.
const RESPONSE: usize = 1024;
const CONTROL: usize = 131;

/// An application that echoes and stores all messages, and checks the invariants of its connection.
pub struct App<'a> {
    options: &'a Options,
    cut: &'a Cut,
    manner: Manner,
    watch: Watch,
    start: Instant,
    events: Vec<Event>,
    /// Messages that were accepted for sending.
    messages: Vec<Message>,
    pings: Vec<Bytes>,
    written: Vec<u8>,
    /// The number of events except `Connect`, so that it does not matter who has read the request.
    count: usize,
    has_closed: bool,
    codecs: usize,
    /// The maximum sizes of the unparsed input and of the output, and the current size of the
    /// output.
    max_input: usize,
    max_queued: usize,
    queued: usize,
    /// The number of times that the way of receiving was chosen.
    turn: usize,
    pieces: Pieces,
    /// A message that is sent in fragments, and the number of its bytes that were sent.
    unfinished: Option<(Message, usize)>,
    fragments: usize,
}

impl<'a> App<'a> {
    pub fn new(options: &'a Options, cut: &'a Cut) -> Self {
        Self {
            options,
            cut,
            manner: Manner::default(),
            watch: Watch::new(cut.is_observed()),
            start: Instant::now(),
            events: Vec::new(),
            messages: Vec::new(),
            pings: Vec::new(),
            written: Vec::new(),
            count: 0,
            has_closed: false,
            codecs: 0,
            max_input: 0,
            max_queued: 0,
            queued: RESPONSE,
            turn: 0,
            pieces: Pieces::default(),
            unfinished: None,
            fragments: 0,
        }
    }

    /// Sets how messages are received and sent.
    pub fn in_manner(self, manner: Manner) -> Self {
        Self { manner, ..self }
    }

    /// Applies the options.
    pub fn config<S>(&self, config: Config<S>) -> Config<S> {
        self.watch.config(self.options.limit(config))
    }

    pub fn deflate<S>(&mut self, config: Config<S>, deflate: PermessageDeflate) -> Config<S> {
        self.codecs = CODECS;
        config.extension(deflate).expect("the first of its name")
    }

    /// Sends a message. It may be refused if the connection is closing or the output is full.
    pub fn send<'m>(&mut self, driver: &mut Driver, message: impl Into<MessageRef<'m>>) {
        let message = message.into();
        self.finish_message(driver);
        if self.manner.has_fragments() {
            let message = Message::from(message);
            match driver.start_message(message.kind()) {
                Ok(()) => {
                    self.unfinished = Some((message, 0));
                    return self.send_fragment(driver);
                }
                Err(error) => {
                    assert!(matches!(error, SendError::NotOpen | SendError::NotSupported { .. } | SendError::Closed))
                }
            }
        }
        let sent = match self.count % 3 {
            0 => driver.send(message),
            1 => driver.send_borrowed(message),
            _ => driver.send_prepared(&PreparedMessage::new(message)),
        };
        if sent.is_ok() {
            let message = Message::from(message);
            // Incompressible data becomes slightly longer.
            self.queue(message.len() + message.len() / 8 + 64);
            self.messages.push(message);
        }
    }

    /// Sends the next fragment of the unfinished message.
    fn send_fragment(&mut self, driver: &mut Driver) {
        let Some((message, start)) = &mut self.unfinished else { return };
        let (size, is_flushed) = self.manner.fragment(self.fragments);
        let rest = message.len() - *start;
        if rest < size {
            // Otherwise the last fragment may also be empty.
            return self.finish_message(driver);
        }
        let piece = message.clone().into_bytes().slice(*start..*start + size);
        let sent = driver.send_fragment(piece);
        match sent {
            Ok(()) => *start += size,
            Err(SendError::OutputFull) => assert!(driver.is_output_full()),
            Err(SendError::Closed) => self.unfinished = None,
            Err(error) => panic!("{error}"),
        }
        self.queue(size + size / 8 + 64);
        if is_flushed && sent.is_ok() {
            driver.flush_message().expect("a message to flush");
        }
        self.fragments += 1;
    }

    /// Sends the rest of the unfinished message, even if the output is full.
    fn finish_message(&mut self, driver: &mut Driver) {
        let Some((message, start)) = self.unfinished.take() else { return };
        let rest = message.clone().into_bytes().slice(start..);
        self.queue(rest.len() + rest.len() / 8 + 64);
        match driver.finish_message(rest) {
            Ok(()) => self.messages.push(message),
            Err(SendError::Closed) => {}
            Err(error) => panic!("{error}"),
        }
    }

    pub fn take(&mut self, driver: &mut Driver, event: Event) {
        match &event {
            Event::Chunk(chunk) => {
                let message = self.pieces.add(chunk);
                assert!(self.pieces.len() <= self.options.max_message_size());
                match message {
                    Some(message) => return self.take(driver, Event::Message(message)),
                    None => return self.choose(driver),
                }
            }
            Event::Connect => {
                driver.start().expect("a request");
                return self.events.push(event);
            }
            Event::Message(message) => self.echo(driver, message.borrowed()),
            Event::Ping(data) => {
                assert!(data.len() <= 125);
                self.queue(CONTROL);
            }
            Event::Pong(data) => {
                if driver.send_ping(data.clone()).is_ok() {
                    self.pings.push(data.clone());
                    self.queue(CONTROL);
                }
            }
            _ => {}
        }
        self.keep(driver, event);
    }

    pub fn look(&mut self, driver: &mut Driver, message: MessageRef) {
        self.echo(driver, message);
        self.keep(driver, Event::Message(message.into()));
    }

    /// Passes the bytes and their end to a driver, and returns the outcome.
    pub fn run(mut self, mut driver: Driver, bytes: &[u8], mut read: impl FnMut(&mut Driver, &mut App)) -> Outcome {
        // The driver may have received some bytes before.
        let mut come = driver.input().len();
        read(&mut driver, &mut self);
        for piece in self.cut.pieces(bytes) {
            self.choose(&mut driver);
            self.cut.receive(&mut driver, piece);
            come += piece.len();
            self.max_input = self.max_input.max(driver.input().len());
            read(&mut driver, &mut self);
            self.check_held(&mut driver, come);
        }
        self.finish_message(&mut driver);
        let is_told = driver.close_frame().is_some();
        match self.options.end() {
            TransportEnd::Ended => driver.receive_eof(),
            end => driver.receive_end(end),
        }
        read(&mut driver, &mut self);
        self.write(&mut driver);

        assert!(driver.is_closed() && !driver.expects_eof());
        assert_eq!(driver.poll_event(), None);
        let Some(Event::Close(close)) = self.events.last().cloned() else { panic!("no close at the end") };
        assert_eq!(driver.close_frame(), Some(&close));
        let cause = driver.close_cause().expect("a cause").clone();
        let (is_open, error) = self.check_end(&close, &cause, is_told);
        if let Some((is_client, path)) = self.watch.opened() {
            assert_eq!(is_client, driver.response().is_some());
            assert!(driver.request().is_none_or(|request| request.uri().path() == path));
        }

        drop(driver);
        let traffic = self.traffic(come);
        self.watch.check(is_open, error.as_ref(), &cause, &traffic);
        let has_closed = self.has_closed;
        let mut outcome = Outcome {
            events: self.events,
            written: self.written,
            cause,
            body: Bytes::new(),
            messages: self.messages,
            pings: self.pings,
            has_closed,
        };
        outcome.take_body();
        outcome
    }

    fn echo(&mut self, driver: &mut Driver, message: MessageRef) {
        let len = match message {
            MessageRef::Text(text) => text.len(),
            MessageRef::Binary(bytes) => bytes.len(),
        };
        // In the hixie drafts, each invalid byte is replaced by a character of three bytes.
        let growth = if driver.version().is_some_and(|version| version.is_hixie()) { 3 } else { 1 };
        assert!(len <= growth * self.options.max_message_size());
        self.send(driver, message);
    }

    fn keep(&mut self, driver: &mut Driver, event: Event) {
        self.events.push(event);
        self.count += 1;
        if Some(self.count) == self.options.close_after() {
            self.has_closed = !driver.is_closed();
            driver.start_close(CloseCode::NORMAL, "bye").expect("a code and a reason");
        }
        if self.options.writes_after(self.count) {
            self.write(driver);
        }
        if self.options.is_idle_after(self.count) {
            // Extensions release what they did not need between two calls.
            driver.release_idle();
            driver.release_idle();
        }
        driver.tick(self.start + Duration::from_millis(50) * self.count as u32);
        self.send_fragment(driver);
        self.choose(driver);
    }

    /// Chooses how messages are received.
    fn choose(&mut self, driver: &mut Driver) {
        if self.manner.may_stream() {
            let streams = self.manner.streams_at(self.turn);
            driver.stream_messages(streams.then_some(self.options.max_message_size() as u64));
            self.turn += 1;
        }
    }

    fn write(&mut self, driver: &mut Driver) {
        let output = driver.output();
        self.written.extend(output.copy_to_bytes(output.remaining()));
        // A pong may have been deferred, and a close frame follows at the end.
        self.queued = 2 * CONTROL;
    }

    fn queue(&mut self, bytes: usize) {
        self.queued += bytes;
        self.max_queued = self.max_queued.max(self.queued);
    }

    /// The memory of a connection is bounded by the received and sent bytes. Between two reads, the
    /// input contains at most a part of one frame.
    fn check_held(&self, driver: &mut Driver, come: usize) {
        let is_hybi = driver.version().is_some_and(|version| !version.is_hixie());
        let held = match driver.ready_state() {
            ReadyState::Connecting => MAX_HEAD,
            // The payload of a message that is received in pieces is not waited for.
            ReadyState::Open | ReadyState::Closing if self.manner.always_streams() && is_hybi => 125 + 14,
            ReadyState::Open | ReadyState::Closing => self.options.max_frame_size().max(125) + 14,
            ReadyState::Closed => 0,
        };
        assert!(driver.input().len() <= held, "{} bytes held", driver.input().len());
        self.watch.check_charge(driver);

        // Room for sixteen fragments like the first, which doubles when it grows.
        let message = (16 * come).min(64 * 1024).max(2 * come.min(self.options.max_message_size()));
        // Buffers double, and the targets allocate twice the size of a piece.
        let bound = size_of::<Driver>()
            + 4 * self.max_input
            + message
            + self.codecs
            + 4 * self.max_queued.max(RESPONSE + CONTROL);
        assert!(driver.memory() <= bound, "{} bytes of memory, not {bound}", driver.memory());
    }

    /// Checks that the reported end and its cause are consistent. Returns whether there was a
    /// connection, and the error.
    fn check_end(&self, close: &CloseFrame, cause: &CloseCause, is_told: bool) -> (bool, Option<ProtocolError>) {
        let before = &self.events[..self.events.len() - 1];
        assert!(before.iter().all(|event| !matches!(event, Event::Close(_))));
        assert!(before.iter().rev().skip(1).all(|event| !matches!(event, Event::Error(_))));
        let error = match before.last() {
            Some(Event::Error(error)) => Some(error.clone()),
            _ => None,
        };
        let end = self.options.end();
        let is_given_up = matches!(end, TransportEnd::TimedOut(_) | TransportEnd::Cut) && !is_told;
        let expected = if self.has_closed && !is_given_up {
            CloseCause::Local(CloseFrame { code: CloseCode::NORMAL, reason: "bye".into() })
        } else if let Some(error) = &error {
            assert_eq!(close.code, error.close_code());
            error.clone().into()
        } else if is_told || (end == TransportEnd::Ended && close.code == CloseCode::NO_STATUS) {
            // In hixie-75, an end between two frames is the only kind of close.
            CloseCause::Remote(close.clone())
        } else {
            assert_eq!(close.code, CloseCode::ABNORMAL);
            end.into()
        };
        assert_eq!(*cause, expected);
        (before.contains(&Event::Open), error)
    }

    fn traffic(&self, come: usize) -> Traffic {
        let received = self.events.iter().filter_map(|event| match event {
            Event::Message(message) => Some(message.len() as u64),
            _ => None,
        });
        let mut traffic = Traffic::default();
        traffic.messages_received = received.clone().count() as u64;
        traffic.payload_received = received.sum::<u64>() + self.pieces.len() as u64;
        traffic.messages_sent = self.messages.len() as u64;
        traffic.payload_sent = self.messages.iter().map(|message| message.len() as u64).sum();
        traffic.wire_received = come as u64;
        traffic.wire_sent = self.written.len() as u64;
        traffic
    }
}

/// Reads event by event.
pub fn by_event(driver: &mut Driver, app: &mut App) {
    while let Some(event) = driver.poll_event() {
        app.take(driver, event);
    }
}
