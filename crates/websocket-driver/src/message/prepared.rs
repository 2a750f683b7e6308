use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use websocket_driver_extensions::Encoding;

use crate::message::Message;

/// The maximum number of cached encodings. There is one per combination of extension parameters
/// that connections negotiated.
pub(crate) const MAX_ENCODINGS: usize = 16;

/// A message that is encoded once and sent on many connections: each connection that sends it
/// shares one buffer, and it is compressed once for all connections with the same compression
/// parameters. Cheap to clone.
///
/// It is useful for servers. Clients mask each frame with a new key, and connections that compress
/// with context takeover have to compress it themselves; on those, and with the hixie drafts, it is
/// sent like any other message.
#[derive(Clone)]
pub struct PreparedMessage(Arc<Prepared>);

/// Encoded frames that connections share. Each has room for a pointer to them, which is smaller
/// than `Bytes`.
pub(crate) type SharedFrames = Arc<Bytes>;

struct Prepared {
    message: Message,
    /// Frames with their headers, by encoding.
    frames: Mutex<Vec<(Option<Encoding>, SharedFrames)>>,
}

impl PreparedMessage {
    /// Prepares a message. It is encoded when it is first sent.
    pub fn new(message: impl Into<Message>) -> Self {
        Self(Arc::new(Prepared { message: message.into(), frames: Mutex::new(Vec::new()) }))
    }

    /// Returns the message.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.0.message
    }

    /// Returns the frame for connections with this encoding. `None` is no extension.
    pub(crate) fn frame<E>(
        &self,
        encoding: Option<Encoding>,
        encode: impl FnOnce(Message) -> Result<Bytes, E>,
    ) -> Result<SharedFrames, E> {
        let mut frames = self.0.frames.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, frame)) = frames.iter().find(|(of, _)| *of == encoding) {
            return Ok(frame.clone());
        }
        // The lock is held while encoding, so that other connections wait for the result instead of
        // repeating the work.
        let frame = Arc::new(encode(self.0.message.clone())?);
        if frames.len() < MAX_ENCODINGS {
            frames.push((encoding, frame.clone()));
        }
        Ok(frame)
    }
}

impl<M: Into<Message>> From<M> for PreparedMessage {
    fn from(message: M) -> Self {
        Self::new(message)
    }
}

impl fmt::Debug for PreparedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.message() {
            Message::Text(_) => "text",
            Message::Binary(_) => "binary",
        };
        f.debug_struct("PreparedMessage")
            .field("kind", &kind)
            .field("len", &self.message().len())
            .finish_non_exhaustive()
    }
}
