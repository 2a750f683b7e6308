use std::thread;

use bytes::Bytes;
use websocket_driver::{CloseCause, CloseCode, Driver, Event, Message, ProtocolError, ResponseFault};

use crate::wire::Mask;
use crate::written::{Frame, read_frames};

/// The result of a connection.
#[derive(Debug)]
pub struct Outcome {
    pub events: Vec<Event>,
    pub written: Vec<u8>,
    pub cause: CloseCause,
    /// The bytes that a server of another protocol had sent when this was detected, which depends
    /// on the pieces.
    pub(crate) body: Bytes,
    pub messages: Vec<Message>,
    pub pings: Vec<Bytes>,
    /// Whether the application was the first to close.
    pub(crate) has_closed: bool,
}

/// Runs a connection in a separate thread with new codecs. The output of a used codec is valid, but
/// may differ by a byte in length, since zlib-rs compares with the remains in its window.
pub fn alone<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(run).join().expect("nobody panicked"))
}

/// Checks that the same bytes had the same result, however they were received.
#[track_caller]
pub fn assert_same(one: &Outcome, other: &Outcome) {
    assert_eq!(one.events, other.events);
    assert_eq!(one.written, other.written);
    assert_eq!(one.cause, other.cause);
    assert!(one.body.starts_with(&other.body) || other.body.starts_with(&one.body));
}

/// Checks the same, except that the failure of an encoded message may have been noticed earlier by
/// the one that received it in pieces.
#[track_caller]
pub fn assert_same_unless_encoded(one: &Outcome, other: &Outcome) {
    if one.events == other.events {
        return assert_same(one, other);
    }
    let fails = |outcome: &Outcome| match &outcome.events[..] {
        [before @ .., Event::Error(error), Event::Close(_)] => {
            let is_encoded = matches!(
                error,
                ProtocolError::Extension(_) | ProtocolError::InvalidUtf8 | ProtocolError::MessageTooBig { .. }
            );
            is_encoded.then_some(before.len())
        }
        _ => None,
    };
    let (first, later, same) = match (fails(one), fails(other)) {
        (Some(len), other_len) if other_len.is_none_or(|other| len <= other) => (one, other, len),
        (_, Some(len)) => (other, one, len),
        _ => panic!("{:?} and {:?}", one.events, other.events),
    };
    // Before the message that fails everything is the same, and there is no message after it.
    assert_eq!(first.events[..same], later.events[..same]);
    assert!(!later.events[same..].iter().any(|event| matches!(event, Event::Message(_))));
}

impl Outcome {
    pub fn is_open(&self) -> bool {
        self.events.contains(&Event::Open)
    }

    /// Checks that the output after the handshake is what was sent: all messages in order, each
    /// ping, pongs to received pings, and a close frame if there was one.
    pub fn check_frames(&self, written: &[u8], key: Option<Mask>, may_compress: bool) {
        let frames = read_frames(written, key, may_compress);
        let payloads = |opcode: u8| {
            frames.iter().filter(move |frame| frame.first & 0x0f == opcode).map(|frame| &frame.payload[..])
        };
        let messages = || frames.iter().filter(|frame| frame.first & 0x08 == 0);
        assert_eq!(messages().count(), self.messages.len());
        for (Frame { first, payload }, message) in messages().zip(&self.messages) {
            assert_eq!(first & 0x0f, if message.as_text().is_some() { 1 } else { 2 });
            assert!(first & 0x40 != 0 || payload == message.as_bytes());
        }
        // Frames that may precede messages may also precede each other.
        let (mut pings, mut sent) =
            (Vec::from_iter(payloads(0x9)), Vec::from_iter(self.pings.iter().map(|data| &data[..])));
        pings.sort_unstable();
        sent.sort_unstable();
        assert_eq!(pings, sent);
        let mut come = Vec::from_iter(self.events.iter().filter_map(|event| match event {
            Event::Ping(data) => Some(&data[..]),
            _ => None,
        }));
        for pong in payloads(0xa) {
            let at = come.iter().position(|ping| *ping == pong).expect("a ping for each pong");
            come.swap_remove(at);
        }
        let Some(Event::Close(close)) = self.events.last() else { unreachable!() };
        let expected = match close.code {
            _ if self.has_closed => Some(CloseCode::NORMAL),
            CloseCode::ABNORMAL => None,
            code => Some(code),
        };
        assert_eq!(frames.last().and_then(Frame::close_code), expected.filter(|_| self.is_open()));
    }

    /// Checks that a peer receives what was sent, whole or in fragments.
    pub fn check_by(&self, mut peer: Driver) {
        let mut events = Vec::new();
        peer.receive(&self.written[..]);
        for has_ended in [false, true] {
            if has_ended {
                peer.receive_eof();
            }
            while let Some(event) = peer.poll_event() {
                if event == Event::Connect {
                    peer.start().expect("a request");
                }
                events.push(event);
            }
        }
        let messages = events.iter().filter_map(|event| match event {
            Event::Message(message) => Some(message),
            _ => None,
        });
        assert!(messages.eq(&self.messages));
        let pings = events.iter().filter_map(|event| match event {
            Event::Ping(data) => Some(data),
            _ => None,
        });
        let (mut pings, mut sent) = (Vec::from_iter(pings), Vec::from_iter(&self.pings));
        pings.sort_unstable();
        sent.sort_unstable();
        assert_eq!(pings, sent);
        assert!(!events.iter().any(|event| matches!(event, Event::Error(_))), "{events:?}");
        let (Some(Event::Close(own)), Some(Event::Close(seen))) = (self.events.last(), events.last()) else {
            panic!("no close at the end");
        };
        assert_eq!(seen.code, if self.has_closed { CloseCode::NORMAL } else { own.code });
    }

    pub(crate) fn take_body(&mut self) {
        let cause = match &mut self.cause {
            CloseCause::Protocol(error) => Some(error),
            _ => None,
        };
        let errors = self.events.iter_mut().filter_map(|event| match event {
            Event::Error(error) => Some(error),
            _ => None,
        });
        for error in errors.chain(cause) {
            if let ProtocolError::Response(error) = error {
                assert!(error.body.len() <= 4096);
                if matches!(error.fault, ResponseFault::NotHttp | ResponseFault::Head(_)) {
                    self.body = std::mem::take(&mut error.body);
                }
            }
        }
    }
}
