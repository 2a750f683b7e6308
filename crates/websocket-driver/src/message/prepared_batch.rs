use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use websocket_driver_extensions::Encoding;

use crate::message::prepared::{MAX_ENCODINGS, PreparedMessage, SharedFrames};

/// The maximum size of messages that are joined, in bytes. Above it, a segment for each message
/// costs less than a copy.
const MAX_JOINED: usize = 64 * 1024;

/// A batch of messages that is encoded and joined once, and sent to many connections. Each copies
/// or references a single buffer, regardless of the number of messages. Cheap to clone.
///
/// Useful in the same cases as [`PreparedMessage`], for batches of up to 64 KiB. The messages of
/// larger batches are sent individually.
#[derive(Clone)]
pub struct PreparedBatch(Arc<Inner>);

struct Inner {
    messages: Box<[PreparedMessage]>,
    /// The bytes of the messages, without headers.
    len: usize,
    /// By encoding.
    joined: Mutex<Vec<(Option<Encoding>, Joined)>>,
}

/// The frames of all messages, with their headers.
#[derive(Debug, Clone)]
pub(crate) struct Joined {
    pub(crate) frames: SharedFrames,
    /// The bytes before the last frame.
    pub(crate) before_last: usize,
}

impl PreparedBatch {
    /// Prepares messages, which are encoded when they are first sent.
    pub fn new(messages: impl IntoIterator<Item = PreparedMessage>) -> Self {
        let messages: Box<[PreparedMessage]> = messages.into_iter().collect();
        let len = messages.iter().map(|prepared| prepared.message().len()).sum();
        Self(Arc::new(Inner { messages, len, joined: Mutex::new(Vec::new()) }))
    }

    /// Returns the messages.
    #[must_use]
    pub fn messages(&self) -> &[PreparedMessage] {
        &self.0.messages
    }

    /// Returns the bytes of all messages, without headers.
    pub(crate) fn len(&self) -> usize {
        self.0.len
    }

    pub(crate) fn can_be_joined(&self) -> bool {
        !self.0.messages.is_empty() && self.0.len <= MAX_JOINED
    }

    /// Returns the joined frames for connections with this encoding, or without one.
    pub(crate) fn joined<E>(
        &self,
        encoding: &Option<Encoding>,
        mut frame: impl FnMut(&PreparedMessage) -> Result<SharedFrames, E>,
    ) -> Result<Joined, E> {
        let mut known = self.0.joined.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, joined)) = known.iter().find(|(of, _)| of == encoding) {
            return Ok(joined.clone());
        }
        let (mut frames, mut before_last) = (BytesMut::new(), 0);
        for message in &self.0.messages {
            before_last = frames.len();
            frames.extend_from_slice(&frame(message)?);
        }
        let joined = Joined { frames: Arc::new(frames.freeze()), before_last };
        if known.len() < MAX_ENCODINGS {
            known.push((encoding.clone(), joined.clone()));
        }
        Ok(joined)
    }
}

impl fmt::Debug for PreparedBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (messages, len) = (self.0.messages.len(), self.0.len);
        f.debug_struct("PreparedBatch").field("messages", &messages).field("len", &len).finish_non_exhaustive()
    }
}
