use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use websocket_driver_extensions::Encoding;

use crate::message::Message;

/// How many encodings are kept. There are as many as there are ways that connections agreed on.
const KEPT: usize = 16;

/// A message that is encoded once and sent to many: a connection that sends it counts a reference, and compressed it is once
/// for all connections that compress alike. Cheap to clone.
///
/// It is of use to servers. A client masks each frame with a key of its own, and connections that compress with context
/// takeover compress each for itself; there, and in the hixie drafts, it is sent like any other message.
#[derive(Clone)]
pub struct PreparedMessage(Arc<Prepared>);

struct Prepared {
    message: Message,
    /// By what they are encoded with: frames with their headers.
    frames: Mutex<Vec<(Option<Encoding>, Bytes)>>,
}

impl PreparedMessage {
    /// Prepares a message. It is encoded when it is first sent.
    pub fn new(message: impl Into<Message>) -> Self {
        Self(Arc::new(Prepared { message: message.into(), frames: Mutex::new(Vec::new()) }))
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.0.message
    }

    /// Its frame, for connections that encode so, or not at all.
    pub(crate) fn frame<E>(
        &self,
        encoding: Option<Encoding>,
        encode: impl FnOnce(Message) -> Result<Bytes, E>,
    ) -> Result<Bytes, E> {
        let mut frames = self.0.frames.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, frame)) = frames.iter().find(|(of, _)| *of == encoding) {
            return Ok(frame.clone());
        }
        // With the lock held, so that the others wait for it rather than doing it again.
        let frame = encode(self.0.message.clone())?;
        if frames.len() < KEPT {
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
