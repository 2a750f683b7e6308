use bytes::BytesMut;
use websocket_driver_extensions::Rsv;

use crate::error::ProtocolError;

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
    /// Begins a message with its first fragment.
    pub(crate) fn new(is_text: bool, rsv: Rsv, first: &[u8]) -> Self {
        // A copy, since the read buffer that the fragment stands in is soon needed for the next ones. With room for
        // some more of its size, as messages are mostly cut into equal parts.
        let room = first.len().saturating_mul(8).min(64 * 1024).max(first.len());
        let mut data = BytesMut::with_capacity(room);
        data.extend_from_slice(first);
        Self { is_text, rsv, data, fragments: 1 }
    }

    /// Adds a fragment.
    pub(crate) fn push(&mut self, fragment: &[u8], max_fragments: usize) -> Result<(), ProtocolError> {
        self.fragments += 1;
        if self.fragments > max_fragments {
            return Err(ProtocolError::TooManyFragments { limit: max_fragments });
        }
        self.data.extend_from_slice(fragment);
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.data.len()
    }

    pub(crate) fn finish(self) -> BytesMut {
        self.data
    }
}
