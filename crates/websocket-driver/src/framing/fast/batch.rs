use std::fmt;

use bytes::{Buf, BytesMut};

use crate::framing::fast::fragmented_text::FragmentedText;
use crate::framing::fast::fragments::Fragments;
use crate::framing::fast::frame::FastFrame;
use crate::message::inline_text::InlineText;
use crate::message::utf8::InvalidUtf8;
use crate::message::{Message, MessageRef};

/// Complete short messages detached from their [`Driver`](crate::Driver), so that they can be read
/// without locking it.
///
/// Filled by [`Driver::lend`](crate::Driver::lend). It must be returned with
/// [`Driver::take_back`](crate::Driver::take_back) before the driver parses again. Sending and
/// closing are possible in the meantime.
#[derive(Default)]
pub struct Batch {
    input: BytesMut,
    /// The number of bytes consumed. 32 bits, to keep the batch that is part of every socket small.
    at: u32,
    limit: u16,
    /// At most 255, which is more than the fast path joins.
    max_fragments: u8,
    /// The number of frames that may still be consumed.
    left: u8,
    next: Next,
}

/// The message at `at`.
#[derive(Debug, Default)]
enum Next {
    Frame(FastFrame),
    /// The first of several frames. Whether all of them were received is not known.
    Fragments,
    /// A text was not valid UTF-8. The driver reports the error.
    Invalid,
    /// Nothing that can be returned.
    #[default]
    Unknown,
}

impl Batch {
    /// Takes the input if it begins with a message of at most `limit` bytes in at most
    /// `max_fragments` frames, to consume at most `left` frames.
    #[inline]
    pub(crate) fn fill(&mut self, input: &mut BytesMut, limit: u16, max_fragments: usize, left: u8) {
        if u32::try_from(input.len()).is_err() {
            return;
        }
        self.limit = limit;
        self.max_fragments = u8::try_from(max_fragments).unwrap_or(u8::MAX);
        self.left = left;
        std::mem::swap(&mut self.input, input);
        self.next = self.peek();
        let is_incomplete = matches!(self.next, Next::Fragments) && self.peek_fragments().is_none();
        if is_incomplete || !self.has_next() {
            self.next = Next::Unknown;
            std::mem::swap(&mut self.input, input);
        }
    }

    /// Returns the rest of the input, the number of frames that could still have been consumed, and
    /// whether a text was not valid UTF-8.
    pub(crate) fn empty(&mut self, input: &mut BytesMut) -> (u8, bool) {
        self.consume();
        std::mem::swap(&mut self.input, input);
        (self.left, matches!(std::mem::take(&mut self.next), Next::Invalid))
    }

    /// Passes borrowed messages to `handle` one by one, as long as it returns `true`. If none are
    /// left, the batch must be returned to the driver.
    // Baseline: borrowed-text-32.
    #[inline(always)]
    pub fn visit(&mut self, mut handle: impl FnMut(MessageRef<'_>) -> bool) {
        if !self.has_next() {
            return;
        }
        self.next = Next::Unknown;
        let mut scratch = InlineText::EMPTY;
        let mut text = FragmentedText::EMPTY;
        loop {
            let start = self.at as usize;
            // Consumed first, since `handle` may panic.
            let message = if let Some(frame) = self.peek_frame() {
                self.at += frame.size() as u32;
                self.left -= 1;
                frame.borrow(&mut self.input[start..], &mut scratch)
            } else if self.read_fragments(&mut text) {
                self.at += text.size() as u32;
                self.left -= text.count();
                text.borrow()
            } else if let Some(fragments) = self.peek_fragments() {
                self.at += fragments.size() as u32;
                self.left -= fragments.count();
                fragments.borrow(&mut self.input[start..])
            } else {
                return;
            };
            let Ok(message) = message else {
                self.next = Next::Invalid;
                return;
            };
            if !handle(message) {
                self.next = self.peek();
                return;
            }
        }
    }

    /// Returns the size of the buffer that was lent, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.input.capacity()
    }

    /// Returns whether there is a next message. If it is in several frames, they may be incomplete;
    /// then [`next`](Self::next) returns `None`, and the driver returns the message later.
    #[inline]
    #[must_use]
    pub fn has_next(&self) -> bool {
        matches!(self.next, Next::Frame(_) | Next::Fragments)
    }

    /// Returns whether the batch must be returned to the driver, because it holds the driver's
    /// input or an error to report.
    #[inline]
    #[must_use]
    pub fn is_lent(&self) -> bool {
        self.input.capacity() > 0 || matches!(self.next, Next::Invalid)
    }

    /// Parses the message at `at`, if another one may be returned.
    #[inline]
    fn peek(&self) -> Next {
        match self.peek_frame() {
            Some(frame) => Next::Frame(frame),
            None if self.has_fragment() => Next::Fragments,
            None => Next::Unknown,
        }
    }

    #[inline]
    fn has_fragment(&self) -> bool {
        self.left > 0 && Fragments::has_first(&self.input[self.at as usize..], self.limit)
    }

    #[inline]
    fn peek_frame(&self) -> Option<FastFrame> {
        if self.left == 0 {
            return None;
        }
        FastFrame::peek(&self.input[self.at as usize..], self.limit)
    }

    #[inline]
    fn peek_fragments(&self) -> Option<Fragments> {
        Fragments::peek(&self.input[self.at as usize..], self.limit, self.max_fragments.min(self.left).into())
    }

    /// Reads a short text in several frames into `text`. Returns whether there is one.
    #[inline]
    fn read_fragments(&self, text: &mut FragmentedText) -> bool {
        let max_fragments = self.max_fragments.min(self.left).into();
        text.read(&self.input[self.at as usize..], self.limit, max_fragments)
    }

    /// Returns a message in several frames, if all of them were received.
    fn join(&mut self) -> Option<Result<Message, InvalidUtf8>> {
        let mut text = FragmentedText::EMPTY;
        let message = if self.read_fragments(&mut text) {
            // Copied, as in `next`.
            self.at += text.size() as u32;
            self.left -= text.count();
            text.to_text().map(Message::Text)
        } else if let Some(fragments) = self.peek_fragments() {
            self.left -= fragments.count();
            self.consume();
            fragments.take(&mut self.input)
        } else {
            self.next = Next::Unknown;
            return None;
        };
        // Most clients that send fragments send only fragments.
        self.next = if self.has_fragment() { Next::Fragments } else { self.peek() };
        Some(message)
    }

    /// Removes the consumed bytes from the input.
    #[inline]
    fn consume(&mut self) {
        self.input.advance(std::mem::take(&mut self.at) as usize);
    }
}

/// Omits the messages, which may be confidential.
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

    /// Returns the next message, or `None` if the batch must be returned to the driver.
    // Baseline: batch-text-32.
    #[inline(always)]
    fn next(&mut self) -> Option<Message> {
        let message = match self.next {
            Next::Frame(next) if next.is_short_text() => {
                // A short text is copied, so the input is not split.
                let start = self.at as usize;
                self.at += next.size() as u32;
                self.left -= 1;
                self.next = self.peek();
                next.short_text(&self.input[start..]).map(Message::Text)
            }
            Next::Frame(next) => {
                self.consume();
                let message = next.take_bytes(&mut self.input);
                // `consume` and `take_bytes` have removed the message from the input.
                self.left -= 1;
                self.next = self.peek();
                message
            }
            Next::Fragments => self.join()?,
            Next::Invalid | Next::Unknown => return None,
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

    /// Returns an open server with the given input in a buffer without spare capacity.
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
    fn invalid_text_is_reported_if_it_uses_up_the_buffer() {
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
    fn invalid_text_in_fragments_is_reported() {
        for len in [1, 48, 49, 125] {
            let fragments = [frame(0x01, b"a"), frame(0x80, &vec![0xff; len])].concat();
            for visits in [false, true] {
                let mut driver = server(fragments.clone());
                let mut batch = Batch::default();
                driver.lend(&mut batch);
                assert!(batch.has_next());
                if visits {
                    batch.visit(|message| panic!("{message:?}"));
                } else {
                    assert_eq!(batch.next(), None, "{len} bytes");
                }
                driver.take_back(&mut batch);
                assert_eq!(driver.poll_event(), Some(Event::Error(ProtocolError::InvalidUtf8)), "{len} bytes");
            }
        }
    }

    #[test]
    fn text_in_fragments_of_any_length_is_returned() {
        let mut driver = server(Vec::new());
        let mut batch = Batch::default();
        for len in [0, 1, 7, 8, 9, 17, 40, 41, 47, 48, 49, 70] {
            let ascii: String = ('0'..).take(len).collect();
            let mixed = "é".repeat(len / 2) + &"x".repeat(len % 2);
            for (text, start) in [ascii, mixed].iter().flat_map(|text| (0..len + 1).map(move |start| (text, start))) {
                for end in start..len + 1 {
                    let bytes = text.as_bytes();
                    let frames = [(0x01, 0, start), (0x00, start, end), (0x80, end, len)];
                    let message = frames.map(|(first, from, to)| frame(first, &bytes[from..to])).concat();
                    // The second message is the end of the input.
                    for ways in [[0, 0], [0, 1], [1, 1], [2, 2]] {
                        *driver.input() = BytesMut::from(&message.repeat(2)[..]);
                        for way in ways {
                            let received = match way {
                                0 | 1 => {
                                    driver.lend(&mut batch);
                                    let mut received = None;
                                    if way == 0 {
                                        received = batch.next();
                                    } else {
                                        batch.visit(|message| received.replace(message.into()).is_some());
                                    }
                                    driver.take_back(&mut batch);
                                    received.map(Event::Message)
                                }
                                _ => driver.poll_event(),
                            };
                            assert_eq!(
                                received,
                                Some(Event::Message(text.as_str().into())),
                                "{start}, {end}, {ways:?}"
                            );
                        }
                        assert_eq!(driver.poll_event(), None);
                    }
                }
            }
        }
    }

    #[test]
    fn message_whose_frames_are_incomplete_is_left_to_the_driver() {
        let frames = [frame(0x01, b"one"), frame(0x80, b", two")].concat();
        for visits in [false, true] {
            for received in 1..frames.len() {
                let mut driver = server([&frames[..], &frames[..received]].concat());
                let mut batch = Batch::default();
                driver.lend(&mut batch);
                let mut messages = Vec::new();
                if visits {
                    batch.visit(|message| {
                        messages.push(message.into());
                        true
                    });
                } else {
                    messages.extend(&mut batch);
                }
                assert!(!batch.has_next());
                driver.take_back(&mut batch);
                driver.lend(&mut batch);
                assert!(!batch.is_lent());
                assert_eq!(driver.poll_event(), None);
                driver.receive(&frames[received..]);
                messages.extend(driver.poll_event().map(|event| match event {
                    Event::Message(message) => message,
                    event => panic!("{event:?}"),
                }));
                assert_eq!(messages, ["one, two".into(), "one, two".into()], "{received}");
            }
        }
    }

    #[test]
    fn frames_that_do_not_continue_a_message_are_left_to_the_driver() {
        let message = [frame(0x01, b"one"), frame(0x80, b", two")].concat();
        for next in [frame(0x81, b"x"), frame(0x01, b"x"), frame(0xc0, b"x"), frame(0x89, b"x"), frame(0x82, b"x")] {
            let mut driver = server([&message[..], &frame(0x01, b"one"), &next, &frame(0x80, b"")].concat());
            let mut batch = Batch::default();
            driver.lend(&mut batch);
            assert_eq!(batch.next(), Some("one, two".into()));
            assert_eq!(batch.next(), None, "{next:?}");
            driver.take_back(&mut batch);
        }
    }

    #[test]
    fn message_is_returned_once_if_its_handler_stops_or_panics() {
        let long = vec![7; 300];
        let fragments = |first, payload: &[u8]| {
            let (start, end) = payload.split_at(payload.len() / 3);
            [frame(first, start), frame(0x00, &end[..1]), frame(0x80, &end[1..])].concat()
        };
        let sent: [(Vec<u8>, &[u8]); 8] = [
            (frame(0x81, b"one"), b"one"),
            (frame(0x82, &long), &long),
            (frame(0x81, b"three"), b"three"),
            (frame(0x82, b"four"), b"four"),
            (fragments(0x01, "five, fünf".as_bytes()), "five, fünf".as_bytes()),
            (fragments(0x01, b"six"), b"six"),
            (fragments(0x01, &[b'7'; 150]), &[b'7'; 150]),
            (fragments(0x02, b"eight"), b"eight"),
        ];
        for panics in [false, true] {
            for last in 0..sent.len() {
                let mut driver = server(sent.iter().flat_map(|(frames, _)| frames).copied().collect());
                let (mut batch, mut received) = (Batch::default(), Vec::new());
                driver.lend(&mut batch);
                let visited = catch_unwind(AssertUnwindSafe(|| {
                    batch.visit(|message| {
                        received.push(Message::from(message));
                        assert!(!panics || received.len() <= last);
                        received.len() <= last
                    });
                }));
                assert_eq!(visited.is_err(), panics);
                assert_eq!(received.len(), last + 1);
                driver.take_back(&mut batch);
                while let Some(event) = driver.poll_event() {
                    let Event::Message(message) = event else { panic!("{event:?}") };
                    received.push(message);
                }
                let payloads: Vec<_> = received.iter().map(Message::as_bytes).collect();
                assert_eq!(payloads, sent.each_ref().map(|(_, payload)| *payload), "{last}");
            }
        }
    }
}
