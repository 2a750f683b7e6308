use std::thread;

use bytes::Bytes;
use websocket_driver::{CloseCause, CloseCode, Event, Message, ProtocolError, ResponseFault};

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
