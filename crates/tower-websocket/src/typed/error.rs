use std::error::Error as StdError;

use websocket_driver::CloseCode;

use crate::error::Error;

/// An error on a [`TypedSocket`](crate::typed::TypedSocket).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TypedError {
    /// An error of the socket.
    #[error(transparent)]
    Socket(#[from] Error),
    /// A message is not a valid encoding of a value. The connection is being closed.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A value has no encoding. Nothing was sent.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// The reason why a message could not be decoded, and the code to close the connection with.
#[derive(Debug, thiserror::Error)]
#[error("invalid message")]
pub struct DecodeError {
    code: CloseCode,
    source: Box<dyn StdError + Send + Sync>,
}

impl DecodeError {
    /// Creates an error that closes the connection with this code: [`CloseCode::UNSUPPORTED_DATA`]
    /// for a type of message that is not accepted, or one of the application. A code that must
    /// not be sent is replaced by [`CloseCode::INVALID_PAYLOAD`].
    pub fn new(code: CloseCode, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let code = if code.is_sendable() { code } else { CloseCode::INVALID_PAYLOAD };
        Self { code, source: source.into() }
    }

    /// Creates an error for data that is not consistent with its type: it closes with
    /// [`CloseCode::INVALID_PAYLOAD`], 1007 (RFC 6455 §7.4.1).
    pub fn invalid_data(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(CloseCode::INVALID_PAYLOAD, source)
    }

    /// Returns the code that the connection is closed with.
    #[must_use]
    pub fn close_code(&self) -> CloseCode {
        self.code
    }
}

/// The reason why a value could not be encoded.
#[derive(Debug, thiserror::Error)]
#[error("value cannot be encoded")]
pub struct EncodeError {
    source: Box<dyn StdError + Send + Sync>,
}

impl EncodeError {
    /// Creates an error with this cause.
    pub fn new(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: source.into() }
    }
}
