use bytes::BytesMut;
use websocket_driver_extensions::Rsv;

use crate::framing::copy::append;

/// A fragmented message whose end is still to come: one buffer, however many fragments (RFC 6455 §5.4).
#[derive(Debug)]
pub(crate) struct Assembler {
    pub(crate) is_text: bool,
    /// Of the first fragment.
    pub(crate) rsv: Rsv,
    data: BytesMut,
    fragments: usize,
}

impl Assembler {
    /// Begins a message whose first fragment has this length: with room for more of that size, as messages are mostly cut
    /// into equal parts.
    pub(crate) fn new(is_text: bool, rsv: Rsv, len: usize) -> Self {
        let room = len.saturating_mul(16).min(64 * 1024).max(len);
        Self { is_text, rsv, data: BytesMut::with_capacity(room), fragments: 0 }
    }

    /// Adds a fragment, and gives it where it is now: a copy, since the read buffer that it stands in is soon needed for the
    /// next ones.
    pub(crate) fn push(&mut self, fragment: &[u8]) -> &mut [u8] {
        self.fragments += 1;
        let start = self.data.len();
        append(&mut self.data, fragment);
        &mut self.data[start..]
    }

    pub(crate) fn fragments(&self) -> usize {
        self.fragments
    }

    pub(crate) fn len(&self) -> usize {
        self.data.len()
    }

    /// The bytes it holds, room that is not used yet among them.
    pub(crate) fn memory(&self) -> usize {
        size_of::<Self>() + self.data.capacity()
    }

    pub(crate) fn finish(self) -> BytesMut {
        self.data
    }
}
