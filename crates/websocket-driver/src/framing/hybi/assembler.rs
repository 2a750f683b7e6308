use bytes::BytesMut;
use websocket_driver_extensions::Rsv;

use super::frame::{Header, Opcode};
use super::stream::Stream;
use crate::framing::copy::append;

/// A message that is received in more than one piece (RFC 6455 §5.4).
#[derive(Debug)]
pub(crate) struct Assembler {
    /// Whether the first frame has started. Otherwise, the next message will be received in pieces.
    pub(crate) is_begun: bool,
    pub(crate) is_text: bool,
    /// The reserved bits of the first frame.
    pub(crate) rsv: Rsv,
    /// The message so far, in one buffer regardless of the number of fragments. Empty if the
    /// message is returned in pieces, unless an extension needs all of it.
    pub(crate) data: BytesMut,
    fragments: usize,
    /// Set if the message is returned in pieces.
    pub(crate) stream: Option<Stream>,
}

impl Assembler {
    /// Starts a message with its first frame. Reserves room for more frames of that size, as most
    /// messages are split into equal parts.
    pub(crate) fn new(first: Header) -> Self {
        let room = first.len.saturating_mul(16).min(64 * 1024).max(first.len);
        let mut message = Self { data: BytesMut::with_capacity(room), ..Self::awaited(None) };
        message.begin(first);
        message
    }

    /// Waits for a message, to be returned in pieces if there is a stream.
    pub(crate) fn awaited(stream: Option<Stream>) -> Self {
        Self { is_begun: false, is_text: false, rsv: Rsv::NONE, data: BytesMut::new(), fragments: 0, stream }
    }

    pub(crate) fn begin(&mut self, first: Header) {
        self.is_begun = true;
        self.is_text = first.opcode == Opcode::Text;
        self.rsv = first.rsv;
    }

    /// Appends a fragment, and returns the copy. It is copied because its read buffer will soon be
    /// needed for the next fragments.
    pub(crate) fn push(&mut self, fragment: &[u8]) -> &mut [u8] {
        self.fragments += 1;
        let start = self.data.len();
        append(&mut self.data, fragment);
        &mut self.data[start..]
    }

    /// Returns the number of fragments that were assembled.
    pub(crate) fn fragments(&self) -> usize {
        self.fragments
    }

    /// Returns the number of bytes received.
    pub(crate) fn len(&self) -> u64 {
        self.stream.as_ref().map_or(self.data.len() as u64, |stream| stream.received)
    }

    /// Returns the memory in bytes, including unused capacity.
    pub(crate) fn memory(&self) -> usize {
        size_of::<Self>() + self.data.capacity() + self.stream.as_ref().map_or(0, |stream| stream.piece.len())
    }

    pub(crate) fn finish(self) -> BytesMut {
        self.data
    }
}
