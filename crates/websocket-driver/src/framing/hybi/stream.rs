use bytes::Bytes;

use crate::message::utf8::Replacer;

/// The state of a message that is returned in pieces.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// The maximum size of the message in bytes.
    pub(super) limit: u64,
    /// The maximum size of the next message, if that is to be returned in pieces as well.
    pub(super) next: Option<u64>,
    /// The payload that was taken off the input and has not been returned. It is empty between two
    /// calls, unless it has yet to be decoded.
    pub(super) piece: Bytes,
    /// The number of bytes taken off the input.
    pub(super) received: u64,
    /// The number of bytes after decoding and the replacement of invalid UTF-8.
    pub(super) produced: u64,
    pub(super) replacer: Replacer,
    /// Whether the first chunk was returned.
    pub(super) is_announced: bool,
    /// Whether the last piece was taken off the input.
    pub(super) is_complete: bool,
    /// Whether the decoder may have more output without more input.
    pub(super) has_more: bool,
    /// Whether the rest of the message is skipped.
    pub(super) is_skipped: bool,
}

impl Stream {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, next: Some(limit), ..Self::default() }
    }

    /// Returns whether there may be a chunk without more input.
    pub(super) fn is_due(&self) -> bool {
        !self.is_announced || self.is_complete || self.has_more || !self.piece.is_empty()
    }

    /// Returns whether the message ends with the bytes that were taken off the input.
    pub(super) fn is_final(&self) -> bool {
        self.is_complete && !self.has_more
    }
}
