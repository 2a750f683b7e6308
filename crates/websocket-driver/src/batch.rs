use bytes::{Buf, BytesMut};

use crate::hybi::Plain;
use crate::message::{Message, MessageRef};
use crate::short::Short;
use crate::utf8::{InvalidUtf8, Utf8Bytes};

/// Messages that have come whole, each in one frame, and can be had without their [`Driver`](crate::Driver): it
/// [lends](crate::Driver::lend) its input to this, and must have it [back](crate::Driver::take_back) before it is asked for
/// anything else that came. Sending and closing go on meanwhile.
///
/// It is for who shares a driver behind a lock, and wants to read without taking it each time.
#[derive(Debug, Default)]
pub struct Batch {
    input: BytesMut,
    /// How much of the input was given out. As small as it can be, since every socket has a place for this.
    at: u32,
    limit: u16,
    /// What comes next, at `at`.
    next: Option<Plain>,
    /// A text was not UTF-8; that is the driver's to tell.
    is_invalid: bool,
}

/// A place for [`Batch::next_borrowed`] to work in.
#[derive(Debug)]
pub struct Scratch(Short);

impl Default for Scratch {
    fn default() -> Self {
        Self(Short::EMPTY)
    }
}

impl Batch {
    /// Takes the input, where it begins with a message of at most `limit` bytes.
    #[inline]
    pub(crate) fn fill(&mut self, input: &mut BytesMut, limit: u16) {
        self.next = Plain::peek(input, limit).filter(|_| u32::try_from(input.len()).is_ok());
        if self.next.is_some() {
            self.limit = limit;
            std::mem::swap(&mut self.input, input);
        }
    }

    /// Gives back the input that was not used, and tells whether a text was not UTF-8.
    pub(crate) fn empty(&mut self, input: &mut BytesMut) -> bool {
        self.pass_by();
        self.next = None;
        std::mem::swap(&mut self.input, input);
        std::mem::take(&mut self.is_invalid)
    }

    /// The next message, in the input or in `scratch`. `None` where the driver must be asked.
    #[inline(always)]
    pub fn next_borrowed<'a>(&'a mut self, scratch: &'a mut Scratch) -> Option<MessageRef<'a>> {
        let (next, start) = (self.next?, self.at as usize);
        self.go_on(next);
        match next.view(&mut self.input[start..], &mut scratch.0) {
            Ok(message) => Some(message),
            Err(InvalidUtf8) => {
                (self.next, self.is_invalid) = (None, true);
                None
            }
        }
    }

    /// The next message, if it is a short text. Else, and for all others, there is [`next`](Self::next); this one saves moving
    /// them about.
    #[inline(always)]
    pub fn next_short(&mut self) -> Option<Utf8Bytes> {
        let next = self.next.filter(|next| next.is_short_text())?;
        let text = next.short_text(&self.input[self.at as usize..]);
        self.go_on(next);
        if text.is_err() {
            (self.next, self.is_invalid) = (None, true);
        }
        text.ok()
    }

    /// Whether there is a next message.
    #[inline]
    pub fn has_next(&self) -> bool {
        self.next.is_some()
    }

    /// Whether the driver's input is here, or what came of it is still to be told.
    #[inline]
    pub fn is_lent(&self) -> bool {
        self.input.capacity() > 0 || self.is_invalid
    }

    /// Goes on to what follows, without taking this one off the input.
    #[inline]
    fn go_on(&mut self, next: Plain) {
        self.at += next.size() as u32;
        self.next = Plain::peek(&self.input[self.at as usize..], self.limit);
    }

    /// Takes off the input what was given out.
    #[inline]
    fn pass_by(&mut self) {
        self.input.advance(std::mem::take(&mut self.at) as usize);
    }
}

impl Iterator for Batch {
    type Item = Message;

    /// The next message. `None` where the driver must be asked.
    #[inline]
    fn next(&mut self) -> Option<Message> {
        let next = self.next?;
        self.pass_by();
        let message = next.take(&mut self.input);
        (self.next, self.is_invalid) = match message {
            Ok(_) => (Plain::peek(&self.input, self.limit), false),
            Err(_) => (None, true),
        };
        message.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Driver, Event, ProtocolError};

    #[test]
    fn a_text_that_is_not_utf8_is_told_though_nothing_is_left_of_the_buffer() {
        for len in [1, 48, 49, 125, 126, 65_535] {
            let mut driver = Driver::server(Config::server());
            driver.receive(
                &b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"[..],
            );
            assert_eq!(driver.poll_event(), Some(Event::Connect));
            driver.start().unwrap();
            assert_eq!(driver.poll_event(), Some(Event::Open));
            let mut frame = vec![0x81];
            match len {
                0..=125 => frame.push(0x80 | len as u8),
                _ => frame.extend([0xfe, (len >> 8) as u8, len as u8]),
            }
            frame.extend([0; 4]);
            frame.extend(vec![0xff; len]);
            // A buffer with room for nothing else.
            *driver.input() = BytesMut::from(bytes::Bytes::from(frame.into_boxed_slice()));
            let mut batch = Batch::default();
            driver.lend(&mut batch);
            assert!(batch.has_next());
            assert_eq!(batch.next(), None, "{len} bytes");
            driver.take_back(&mut batch);
            assert_eq!(driver.poll_event(), Some(Event::Error(ProtocolError::InvalidUtf8)), "{len} bytes");
        }
    }
}
