use std::{fmt, ptr};

use websocket_driver::{CloseCode, Message, MessageRef, PreparedMessage, ReplyBuffer, SendError};

/// Queues replies in [`WebSocket::for_each_borrowed`](crate::WebSocket::for_each_borrowed), which
/// writes them after the handler has returned.
///
/// The handler runs without a lock: it may use any [`WebSocketSender`](crate::WebSocketSender),
/// including those of the same socket. Messages sent by these precede the replies of the same call.
pub struct Responder<'a> {
    replies: &'a mut ReplyBuffer,
    /// The received message, if it is not borrowed from the read buffer.
    owned: Option<&'a Message>,
}

impl<'a> Responder<'a> {
    pub(crate) fn new(replies: &'a mut ReplyBuffer, owned: Option<&'a Message>) -> Self {
        Self { replies, owned }
    }

    /// Sends a borrowed message. Its bytes are copied, unless it is the received message itself and
    /// that is long.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] if the connection is closing; [`SendError::OutputFull`] after replies
    /// of more than [`Config::max_output`](crate::Config::max_output) to one message.
    #[inline]
    pub fn send_borrowed<'m>(&mut self, message: impl Into<MessageRef<'m>>) -> Result<(), SendError> {
        let message = message.into();
        match self.owned {
            Some(owned) if is_same(owned.borrowed(), message) => self.replies.send(owned.clone()),
            _ => self.replies.send_borrowed(message),
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// Same as [`send_borrowed`](Self::send_borrowed).
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        self.replies.send(message)
    }

    /// Sends a prepared message.
    ///
    /// # Errors
    ///
    /// Same as [`send_borrowed`](Self::send_borrowed).
    pub fn send_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), SendError> {
        self.replies.send_prepared(prepared)
    }

    /// Starts to close after the messages sent so far, like
    /// [`WebSocket::start_close`](crate::WebSocket::start_close). The handler still receives
    /// messages until the peer has answered the close.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidCloseCode`] and [`SendError::ReasonTooLong`].
    pub fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.replies.start_close(code, reason)
    }
}

/// Omits the messages, which may be confidential.
impl fmt::Debug for Responder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder").field("replies", &self.replies).finish_non_exhaustive()
    }
}

/// Returns whether both are the same message in memory, not only equal ones.
fn is_same(one: MessageRef<'_>, other: MessageRef<'_>) -> bool {
    match (one, other) {
        (MessageRef::Text(one), MessageRef::Text(other)) => ptr::eq(one, other),
        (MessageRef::Binary(one), MessageRef::Binary(other)) => ptr::eq(one, other),
        _ => false,
    }
}
