use std::ptr;

use websocket_driver::{CloseCode, Driver, Message, MessageRef, PreparedMessage, SendError};

/// What answers a message in [`WebSocket::for_each`](crate::WebSocket::for_each). It gathers; the socket writes.
#[derive(Debug)]
pub struct Replies<'a> {
    driver: &'a mut Driver,
    /// The message that is answered, where there is more of it than what is lent.
    owned: Option<&'a Message>,
}

impl<'a> Replies<'a> {
    pub(crate) fn new(driver: &'a mut Driver, owned: Option<&'a Message>) -> Self {
        Self { driver, owned }
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
            Some(owned) if is_same(owned.borrowed(), message) => self.driver.send(owned.clone()),
            _ => self.driver.send_borrowed(message),
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// As [`send_borrowed`](Self::send_borrowed).
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        self.driver.send(message)
    }

    /// Sends a message that others send as well.
    ///
    /// # Errors
    ///
    /// As [`send_borrowed`](Self::send_borrowed).
    pub fn send_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), SendError> {
        self.driver.send_prepared(prepared)
    }

    /// Begins to close, as [`WebSocket::close`](crate::WebSocket::close) does. Messages that still come are handed out until the
    /// peer has answered.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidCloseCode`] and [`SendError::ReasonTooLong`].
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.driver.close(code, reason)
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
