use bytes::{Buf, BytesMut};

use crate::hybi::Plain;
use crate::message::{Message, MessageRef};

/// Messages that have come whole, each in one frame, and can be had without their [`Driver`](crate::Driver): it
/// [lends](crate::Driver::lend) its input to this, and must have it [back](crate::Driver::take_back) before it is asked for
/// anything else that came. Sending and closing go on meanwhile.
///
/// It is for who shares a driver behind a lock, and wants to read without taking it each time.
#[derive(Debug, Default)]
pub struct Batch {
    input: BytesMut,
    limit: usize,
    next: Option<Plain>,
    /// How much of the input was given out to be looked at.
    viewed: usize,
    /// A text was not UTF-8; that is the driver's to tell.
    is_invalid: bool,
}

impl Batch {
    /// Takes the input, where it begins with a message of at most `limit` bytes.
    #[inline]
    pub(crate) fn fill(&mut self, input: &mut BytesMut, limit: usize) {
        self.next = Plain::peek(input, limit);
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

    /// The next message, where it lies. `None` where the driver must be asked.
    #[inline]
    pub fn next_borrowed(&mut self) -> Option<MessageRef<'_>> {
        self.pass_by();
        let next = self.next?;
        self.viewed = next.size();
        self.next = Plain::peek(&self.input[self.viewed..], self.limit);
        match next.view(&mut self.input) {
            Ok(message) => Some(message),
            Err(_) => {
                (self.next, self.is_invalid) = (None, true);
                None
            }
        }
    }

    /// Whether there is a next message.
    #[inline]
    pub fn has_next(&self) -> bool {
        self.next.is_some()
    }

    /// Whether the driver's input is here.
    #[inline]
    pub fn is_lent(&self) -> bool {
        self.input.capacity() > 0
    }

    /// Leaves behind what was looked at.
    #[inline]
    fn pass_by(&mut self) {
        if self.viewed > 0 {
            self.input.advance(std::mem::take(&mut self.viewed));
        }
    }
}

impl Iterator for Batch {
    type Item = Message;

    /// The next message. `None` where the driver must be asked.
    #[inline(always)]
    fn next(&mut self) -> Option<Message> {
        self.pass_by();
        let message = self.next?.take(&mut self.input);
        (self.next, self.is_invalid) = match message {
            Ok(_) => (Plain::peek(&self.input, self.limit), false),
            Err(_) => (None, true),
        };
        message.ok()
    }
}
