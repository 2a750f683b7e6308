use std::{fmt, ptr};

use websocket_driver::{CloseCode, Message, MessageRef, PreparedMessage, ReplyBuffer, SendError};

/// Queues replies inside [`WebSocket::for_each_borrowed`](crate::WebSocket::for_each_borrowed), which writes them after the handler has returned.
///
/// The handler runs without a lock: it may send by any [`WebSocketSender`](crate::WebSocketSender), those of the same socket
/// included. What they send leaves ahead of the replies of the same call.
pub struct Responder<'a> {
    replies: &'a mut ReplyBuffer,
    /// The message that is answered, where there is more of it than what is lent.
    owned: Option<&'a Message>,
}

impl<'a> Responder<'a> {
    pub(crate) fn new(replies: &'a mut ReplyBuffer, owned: Option<&'a Message>) -> Self {
        Self { replies, owned }
    }

    /// Sends a message that is only borrowed, which copies it; but not where it is long, and what was lent.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] where the connection is closing; [`SendError::OutputFull`] after answers of more than
    /// [`Config::max_output`](crate::Config::max_output) to one message.
    #[inline(always)]
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
    /// As [`send_borrowed`](Self::send_borrowed).
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        self.replies.send(message)
    }

    /// Sends a message that others send as well.
    ///
    /// # Errors
    ///
    /// As [`send_borrowed`](Self::send_borrowed).
    pub fn send_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), SendError> {
        self.replies.send_prepared(prepared)
    }

    /// Starts to close after the messages sent so far, like [`WebSocket::start_close`](crate::WebSocket::start_close). Messages that
    /// are still received are handed out until the peer has answered.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidCloseCode`] and [`SendError::ReasonTooLong`].
    pub fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.replies.start_close(code, reason)
    }
}

/// Without the messages, which may be confidential.
impl fmt::Debug for Responder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder").field("replies", &self.replies).finish_non_exhaustive()
    }
}

/// Whether it is one message, and not only an equal one.
fn is_same(one: MessageRef<'_>, other: MessageRef<'_>) -> bool {
    match (one, other) {
        (MessageRef::Text(one), MessageRef::Text(other)) => ptr::eq(one, other),
        (MessageRef::Binary(one), MessageRef::Binary(other)) => ptr::eq(one, other),
        _ => false,
    }
}
