use bytes::BytesMut;
use websocket_driver_extensions::Rsv;

use super::frame::{Header, Opcode};
use super::stream::Stream;
use crate::framing::copy::append;

/// A message that is received in more than one piece (RFC 6455 §5.4).
#[derive(Debug)]
pub(crate) struct Assembler {
    /// Whether its first frame has begun. If it has not, the next message is to be received in pieces.
    pub(crate) is_begun: bool,
    pub(crate) is_text: bool,
    /// The bits of the first frame.
    pub(crate) rsv: Rsv,
    /// The message so far, in one buffer, however many fragments. Empty if the message is handed out in pieces, unless an
    /// extension needs all of it.
    pub(crate) data: BytesMut,
    fragments: usize,
    /// Set if the message is handed out in pieces.
    pub(crate) stream: Option<Stream>,
}

impl Assembler {
    /// Begins a message with its first frame, with room for more of that size, as most messages are cut into equal parts.
    pub(crate) fn new(first: Header) -> Self {
        let room = first.len.saturating_mul(16).min(64 * 1024).max(first.len);
        let mut message = Self { data: BytesMut::with_capacity(room), ..Self::awaited(None) };
        message.begin(first);
        message
    }

    /// Waits for a message to be handed out in pieces.
    pub(crate) fn awaited(stream: Option<Stream>) -> Self {
        Self { is_begun: false, is_text: false, rsv: Rsv::NONE, data: BytesMut::new(), fragments: 0, stream }
    }

    pub(crate) fn begin(&mut self, first: Header) {
        self.is_begun = true;
        self.is_text = first.opcode == Opcode::Text;
        self.rsv = first.rsv;
    }

    /// Appends a fragment, and returns its copy. It is copied because the read buffer that it is in is soon needed for the next
    /// ones.
    pub(crate) fn push(&mut self, fragment: &[u8]) -> &mut [u8] {
        self.fragments += 1;
        let start = self.data.len();
        append(&mut self.data, fragment);
        &mut self.data[start..]
    }

    /// The number of fragments that are assembled.
    pub(crate) fn fragments(&self) -> usize {
        self.fragments
    }

    /// The number of bytes received.
    pub(crate) fn len(&self) -> u64 {
        self.stream.as_ref().map_or(self.data.len() as u64, |stream| stream.received)
    }

    /// The bytes that it holds, including room that is not used yet.
    pub(crate) fn memory(&self) -> usize {
        size_of::<Self>() + self.data.capacity() + self.stream.as_ref().map_or(0, |stream| stream.piece.len())
    }

    pub(crate) fn finish(self) -> BytesMut {
        self.data
    }
}
