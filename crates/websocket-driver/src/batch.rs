use bytes::BytesMut;

use crate::hybi::Plain;
use crate::message::Message;

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
        self.next = None;
        std::mem::swap(&mut self.input, input);
        std::mem::take(&mut self.is_invalid)
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
}

impl Iterator for Batch {
    type Item = Message;

    /// The next message. `None` where the driver must be asked.
    #[inline(always)]
    fn next(&mut self) -> Option<Message> {
        let message = self.next?.take(&mut self.input);
        (self.next, self.is_invalid) = match message {
            Ok(_) => (Plain::peek(&self.input, self.limit), false),
            Err(_) => (None, true),
        };
        message.ok()
    }
}
