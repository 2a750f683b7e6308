//! A client under test, hand-written server responses, and strictly parsed client frames.

use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Buf;
use http::Uri;
use proptest::test_runner::Config as ProptestConfig;
use websocket_driver::{ClientConfig, CloseFrame, Config, Driver, Event, Message, ProtocolError, ResponseError};
use websocket_tests::chain::chain;
use websocket_tests::wire::{ACCEPT, read_frame};

/// The nonce for the key of the example in RFC 6455 §1.3.
pub(crate) const NONCE: [u8; 16] = *b"the sample nonce";

pub(crate) const URL: &str = "ws://example.com/chat";

/// Returns a configuration whose handshakes use the key of the example, and whose masking keys are
/// those of [`mask`] in order.
pub(crate) fn config() -> ClientConfig {
    let count = AtomicU32::new(0);
    Config::client().random(move |bytes| match bytes.len() {
        16 => bytes.copy_from_slice(&NONCE),
        4 => bytes.copy_from_slice(&mask(count.fetch_add(1, Ordering::Relaxed))),
        other => panic!("{other} random bytes for nothing that is known"),
    })
}

/// Returns the masking key of the n-th frame. All four bytes differ from those of previous keys.
pub(crate) fn mask(number: u32) -> [u8; 4] {
    number.wrapping_add(1).wrapping_mul(0x9e37_79b1).to_be_bytes()
}

pub(crate) fn uri(url: &str) -> Uri {
    url.parse().unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// A driver with convenience methods.
pub(crate) struct Client {
    pub(crate) driver: Driver,
}

impl Client {
    /// Creates a client that has not written anything.
    pub(crate) fn new(config: ClientConfig) -> Self {
        Self { driver: Driver::client(&uri(URL), config).expect("a URL") }
    }

    /// Creates a client whose request was written.
    pub(crate) fn started(config: ClientConfig) -> Self {
        let mut client = Self::new(config);
        client.driver.start().expect("the first start");
        assert!(client.written().starts_with(b"GET /chat HTTP/1.1\r\n"));
        client
    }

    /// Creates an open client with a response that negotiates nothing.
    pub(crate) fn open() -> Self {
        Self::open_with(config())
    }

    pub(crate) fn open_with(config: ClientConfig) -> Self {
        let mut client = Self::started(config);
        assert_eq!(client.feed(Reply::right().bytes()), [Event::Open]);
        client
    }

    /// Receives bytes and returns the events that follow.
    pub(crate) fn feed(&mut self, bytes: impl AsRef<[u8]>) -> Vec<Event> {
        self.driver.receive(bytes.as_ref());
        self.events()
    }

    /// Receives bytes one by one and returns the events that follow.
    pub(crate) fn feed_slowly(&mut self, bytes: impl AsRef<[u8]>) -> Vec<Event> {
        bytes.as_ref().iter().flat_map(|byte| self.feed([*byte])).collect()
    }

    /// Ends the transport and returns the events that follow.
    pub(crate) fn eof(&mut self) -> Vec<Event> {
        self.driver.receive_eof();
        self.events()
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.driver.poll_event()).collect()
    }

    /// Returns the output since the last call.
    pub(crate) fn written(&mut self) -> Vec<u8> {
        let output = self.driver.output();
        output.copy_to_bytes(output.remaining()).into()
    }

    /// Returns the output since the last call as frames.
    pub(crate) fn frames(&mut self) -> Vec<ClientFrame> {
        client_frames(&self.written())
    }

    /// Returns the output since the last call as pairs of opcode and payload.
    pub(crate) fn sent(&mut self) -> Vec<(u8, Vec<u8>)> {
        self.frames().into_iter().map(|frame| (frame.first & 0x0f, frame.payload)).collect()
    }
}

/// Feeds bytes in pieces that end at the cuts, then the end of the transport.
pub(crate) fn feed_in_pieces(client: &mut Client, bytes: &[u8], cuts: &[usize]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([bytes.len()]) {
        events.extend(client.feed(&bytes[start..end]));
        start = end;
    }
    events.extend(client.eof());
    events
}

pub(crate) fn text(text: &str) -> Event {
    Event::Message(Message::text(text))
}

pub(crate) fn closed(code: u16, reason: &str) -> Event {
    Event::Close(CloseFrame { code: code.into(), reason: reason.into() })
}

/// Returns the events for a fault of the server.
pub(crate) fn failed(error: impl Into<ProtocolError>, code: u16) -> [Event; 2] {
    let error = error.into();
    let reason = chain(&error);
    [Event::Error(error), closed(code, &reason)]
}

/// Returns the refusal in these events, and the close code.
pub(crate) fn refusal(name: &str, events: &[Event]) -> (ResponseError, u16) {
    let [Event::Error(ProtocolError::Response(error)), Event::Close(close)] = events else {
        panic!("{name}: no refusal: {events:?}");
    };
    assert_eq!(close.reason.as_str(), chain(&error), "{name}");
    (ResponseError::clone(error), close.code.into())
}

/// Sets the number of cases of a property. Failures are not persisted; they become separate tests.
pub(crate) fn cases(count: u32) -> ProptestConfig {
    ProptestConfig { cases: count, failure_persistence: None, ..ProptestConfig::default() }
}

/// The head of a server's response. It is valid, unless a method makes it invalid.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    line: String,
    headers: Vec<(String, Vec<u8>)>,
}

impl Reply {
    /// Creates the response to the example request of RFC 6455 §1.3, without a subprotocol.
    pub(crate) fn right() -> Self {
        Self::status("101 Switching Protocols")
            .with("Upgrade", "websocket")
            .with("Connection", "Upgrade")
            .with("Sec-WebSocket-Accept", ACCEPT)
    }

    /// Creates a response with a status and reason phrase, without headers.
    pub(crate) fn status(status: &str) -> Self {
        Self::line(&format!("HTTP/1.1 {status}"))
    }

    pub(crate) fn line(line: &str) -> Self {
        Self { line: line.into(), headers: Vec::new() }
    }

    /// Changes the status and reason phrase.
    pub(crate) fn into_status(self, status: &str) -> Self {
        Self { line: format!("HTTP/1.1 {status}"), ..self }
    }

    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    pub(crate) fn set(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(name).with(name, value)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = [self.line.as_bytes(), b"\r\n"].concat();
        for (name, value) in &self.headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        [&bytes[..], b"\r\n"].concat()
    }

    /// Returns the head followed by other bytes.
    pub(crate) fn then(&self, body: impl AsRef<[u8]>) -> Vec<u8> {
        [&self.bytes()[..], body.as_ref()].concat()
    }
}

/// A client frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientFrame {
    pub(crate) first: u8,
    pub(crate) key: [u8; 4],
    /// The unmasked payload.
    pub(crate) payload: Vec<u8>,
}

/// Parses everything that a client sent after its request. Panics if a client must not send it:
/// frames that are not masked, fragments, lengths that are not minimal, reserved bits except RSV1,
/// unknown opcodes, control frames that are too long, or an incomplete frame at the end.
pub(crate) fn client_frames(mut bytes: &[u8]) -> Vec<ClientFrame> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (header, payload, rest) = read_frame(bytes).expect("a whole frame");
        let (first, length) = (header.first, header.length);
        assert!(matches!(first, 0x81 | 0x82 | 0xc1 | 0xc2 | 0x88..=0x8a), "first byte {first:#x}");
        assert!(header.is_minimal(), "length {length} is not minimal");
        assert!(first & 0x08 == 0 || length <= 125, "a control frame of {length} bytes");
        let key = header.key.expect("a masked frame, as those of a client are");
        all.push(ClientFrame { first, key, payload: unmasked(payload, key) });
        bytes = rest;
    }
    all
}

fn unmasked(payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect()
}
