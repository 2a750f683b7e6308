use bytes::Bytes;

use crate::message::utf8::Replacer;

/// How a message is handed out in pieces.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// The maximum size of the message in bytes.
    pub(super) limit: u64,
    /// The maximum size of the next message, if that is to be handed out in pieces as well.
    pub(super) next: Option<u64>,
    /// The payload that was taken off the input and not handed out. It is empty between two calls, unless it is still to be
    /// decoded.
    pub(super) piece: Bytes,
    /// The bytes taken off the input.
    pub(super) received: u64,
    /// The bytes decoded or replaced.
    pub(super) produced: u64,
    pub(super) replacer: Replacer,
    /// The first chunk was handed out.
    pub(super) is_announced: bool,
    /// The last piece was taken off the input.
    pub(super) is_complete: bool,
    /// The decoder may have more output without more input.
    pub(super) has_more: bool,
    /// Nothing more of the message is handed out.
    pub(super) is_skipped: bool,
}

impl Stream {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, next: Some(limit), ..Self::default() }
    }

    /// Whether there may be a chunk without more input.
    pub(super) fn is_due(&self) -> bool {
        !self.is_announced || self.is_complete || self.has_more || !self.piece.is_empty()
    }

    /// Whether the message ends with what was taken off the input.
    pub(super) fn is_final(&self) -> bool {
        self.is_complete && !self.has_more
    }
}
