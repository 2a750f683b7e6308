use std::fmt;

use bytes::{Buf, BytesMut};

use crate::framing::fast::frame::FastFrame;
use crate::message::inline_text::InlineText;
use crate::message::utf8::InvalidUtf8;
use crate::message::{Message, MessageRef};

/// Messages that have come whole, each in one frame, and can be had without their [`Driver`](crate::Driver): it
/// [lends](crate::Driver::lend) its input to this, and must have it [back](crate::Driver::take_back) before it is asked for
/// anything else that came. Sending and closing go on meanwhile.
///
/// It is for who shares a driver behind a lock, and wants to read without taking it each time.
#[derive(Default)]
pub struct Batch {
    input: BytesMut,
    /// How much of the input was given out. As small as it can be, since every socket has a place for this.
    at: u32,
    limit: u16,
    /// How many more messages may be handed out.
    left: u16,
    next: Next,
}

/// What is at `at`.
#[derive(Debug, Default)]
enum Next {
    Message(FastFrame),
    /// A text was not UTF-8; that is the driver's to tell.
    Invalid,
    /// Nothing that can be handed out.
    #[default]
    Unknown,
}

impl From<Option<FastFrame>> for Next {
    #[inline(always)]
    fn from(plain: Option<FastFrame>) -> Self {
        plain.map_or(Self::Unknown, Self::Message)
    }
}

impl Batch {
    /// Takes the input if it begins with a message of at most `limit` bytes, to hand out at most `left` messages, which is
    /// not 0.
    #[inline]
    pub(crate) fn fill(&mut self, input: &mut BytesMut, limit: u16, left: u16) {
        let next = FastFrame::peek(input, limit).filter(|_| u32::try_from(input.len()).is_ok());
        if next.is_some() {
            (self.next, self.limit, self.left) = (next.into(), limit, left);
            std::mem::swap(&mut self.input, input);
        }
    }

    /// Gives back the input that was not used, and returns how many more messages could have been handed out, and whether a
    /// text was not UTF-8.
    pub(crate) fn empty(&mut self, input: &mut BytesMut) -> (u16, bool) {
        self.pass_by();
        std::mem::swap(&mut self.input, input);
        (self.left, matches!(std::mem::take(&mut self.next), Next::Invalid))
    }

    /// Hands out the messages one by one, only borrowed, as long as `handle` says that it takes more. When there are none left, the
    /// driver must be asked.
    #[inline(always)]
    pub fn visit(&mut self, mut handle: impl FnMut(MessageRef<'_>) -> bool) {
        if !self.has_next() {
            return;
        }
        self.next = Next::Unknown;
        let mut scratch = InlineText::EMPTY;
        while let Some(plain) = self.peek() {
            let start = self.at as usize;
            // Before it is handed out, as `handle` may panic.
            self.at += plain.size() as u32;
            self.left -= 1;
            let Ok(message) = plain.view(&mut self.input[start..], &mut scratch) else {
                self.next = Next::Invalid;
                return;
            };
            if !handle(message) {
                self.next = self.peek().into();
                return;
            }
        }
    }

    /// Returns the size of the buffer that it was lent.
    pub(crate) fn memory(&self) -> usize {
        self.input.capacity()
    }

    /// Whether there is a next message.
    #[inline]
    #[must_use]
    pub fn has_next(&self) -> bool {
        matches!(self.next, Next::Message(_))
    }

    /// Whether the driver's input is here, or what came of it is still to be told.
    #[inline]
    #[must_use]
    pub fn is_lent(&self) -> bool {
        self.input.capacity() > 0 || matches!(self.next, Next::Invalid)
    }

    /// The message at `at`, if there is one and it may be handed out.
    #[inline(always)]
    fn peek(&self) -> Option<FastFrame> {
        if self.left == 0 {
            return None;
        }
        FastFrame::peek(&self.input[self.at as usize..], self.limit)
    }

    /// Takes off the input what was given out.
    #[inline]
    fn pass_by(&mut self) {
        self.input.advance(std::mem::take(&mut self.at) as usize);
    }
}

/// Without the messages, which may be confidential.
impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("has_next", &self.has_next())
            .field("len", &self.input.len())
            .finish_non_exhaustive()
    }
}

impl Iterator for Batch {
    type Item = Message;

    /// The next message. `None` where the driver must be asked.
    #[inline(always)]
    fn next(&mut self) -> Option<Message> {
        let Next::Message(next) = self.next else {
            return None;
        };
        let message = if next.is_short_text() {
            // It is copied, so the input can stay as it is.
            let start = self.at as usize;
            self.at += next.size() as u32;
            self.left -= 1;
            self.next = self.peek().into();
            next.short_text(&self.input[start..]).map(Message::Text)
        } else {
            self.pass_by();
            let message = next.take_long(&mut self.input);
            // What was given out is off the input now.
            self.left -= 1;
            self.next = self.peek().into();
            message
        };
        match message {
            Ok(message) => Some(message),
            Err(InvalidUtf8) => {
                self.next = Next::Invalid;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use websocket_wire::{MASK, put_frame};

    use super::*;
    use crate::{Config, Driver, Event, ProtocolError};

    /// An open server, and what has come to it, in a buffer with room for nothing else.
    fn server(input: Vec<u8>) -> Driver {
        let mut driver = Driver::server(Config::server());
        driver.receive(
            &b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
               Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"[..],
        );
        assert_eq!(driver.poll_event(), Some(Event::Connect));
        driver.start().unwrap();
        assert_eq!(driver.poll_event(), Some(Event::Open));
        *driver.input() = BytesMut::from(bytes::Bytes::from(input.into_boxed_slice()));
        driver
    }

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        put_frame(&mut frame, first, Some(MASK), payload);
        frame
    }

    #[test]
    fn a_text_that_is_not_utf8_is_told_though_nothing_is_left_of_the_buffer() {
        for len in [1, 48, 49, 125, 126, 65_535] {
            let mut driver = server(frame(0x81, &vec![0xff; len]));
            let mut batch = Batch::default();
            driver.lend(&mut batch);
            assert!(batch.has_next());
            assert_eq!(batch.next(), None, "{len} bytes");
            driver.take_back(&mut batch);
            assert_eq!(driver.poll_event(), Some(Event::Error(ProtocolError::InvalidUtf8)), "{len} bytes");
        }
    }

    #[test]
    fn a_message_is_handed_out_once_though_its_handler_stops_or_panics() {
        let long = vec![7; 300];
        let sent = [(0x81, &b"one"[..]), (0x82, &long), (0x81, b"three"), (0x82, b"four")];
        for panics in [false, true] {
            for last in 0..sent.len() {
                let mut driver = server(sent.map(|(first, payload)| frame(first, payload)).concat());
                let (mut batch, mut came) = (Batch::default(), Vec::new());
                driver.lend(&mut batch);
                let visited = catch_unwind(AssertUnwindSafe(|| {
                    batch.visit(|message| {
                        came.push(Message::from(message));
                        assert!(!panics || came.len() <= last);
                        came.len() <= last
                    });
                }));
                assert_eq!(visited.is_err(), panics);
                assert_eq!(came.len(), last + 1);
                driver.take_back(&mut batch);
                while let Some(event) = driver.poll_event() {
                    let Event::Message(message) = event else { panic!("{event:?}") };
                    came.push(message);
                }
                let payloads: Vec<_> = came.iter().map(Message::as_bytes).collect();
                assert_eq!(payloads, sent.map(|(_, payload)| payload), "{last}");
            }
        }
    }
}
