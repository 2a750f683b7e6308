use axum_core::Error;
use bytes::Bytes;
use tower_websocket::{Message as NativeMessage, Utf8Bytes};

use super::close::CloseFrame;

/// A message or a control frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(Utf8Bytes),
    /// Bytes.
    Binary(Bytes),
    /// A ping of at most 125 bytes. A received ping has already been answered.
    Ping(Bytes),
    /// A pong of at most 125 bytes. Pings are answered automatically; sending a pong is a
    /// unidirectional heartbeat (RFC 6455 §5.5.3). Pongs to [keepalive
    /// pings](crate::Config::ping_interval) are not received.
    Pong(Bytes),
    /// A close frame. Sending it starts the closing handshake: nothing more can be sent, but
    /// messages may still be received. A received close frame has already been answered, and is the
    /// last message.
    Close(Option<CloseFrame>),
}

impl Message {
    /// Creates a text message.
    pub fn text(text: impl Into<Utf8Bytes>) -> Self {
        Self::Text(text.into())
    }

    /// Creates a binary message.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// Returns the payload: the bytes of a text, a binary message, a ping or a pong, or the reason
    /// of a close frame.
    pub fn into_data(self) -> Bytes {
        match self {
            Self::Text(text) => text.into(),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => bytes,
            Self::Close(frame) => frame.map_or_else(Bytes::new, |frame| frame.reason.into()),
        }
    }

    /// Returns the payload as text.
    ///
    /// # Errors
    ///
    /// A [`tower_websocket::error::InvalidUtf8`] if the payload is not UTF-8.
    pub fn into_text(self) -> Result<Utf8Bytes, Error> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => bytes.try_into().map_err(Error::new),
            Self::Close(frame) => Ok(frame.map_or_else(Utf8Bytes::default, |frame| frame.reason)),
        }
    }

    /// Returns the payload as borrowed text.
    ///
    /// # Errors
    ///
    /// A [`std::str::Utf8Error`] if the payload is not UTF-8.
    pub fn to_text(&self) -> Result<&str, Error> {
        match self {
            Self::Text(text) => Ok(text.as_str()),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => {
                std::str::from_utf8(bytes).map_err(Error::new)
            }
            Self::Close(frame) => Ok(frame.as_ref().map_or("", |frame| frame.reason.as_str())),
        }
    }
}

impl From<NativeMessage> for Message {
    fn from(message: NativeMessage) -> Self {
        match message {
            NativeMessage::Text(text) => Self::Text(text),
            NativeMessage::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}

impl From<&[u8]> for Message {
    fn from(bytes: &[u8]) -> Self {
        Self::Binary(Bytes::copy_from_slice(bytes))
    }
}

/// Copies the payload, unless the message holds the only reference to its buffer.
impl From<Message> for Vec<u8> {
    fn from(message: Message) -> Self {
        message.into_data().into()
    }
}
