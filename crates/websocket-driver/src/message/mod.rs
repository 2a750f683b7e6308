pub(crate) mod close;
pub(crate) mod inline_text;
pub(crate) mod prepared;
pub(crate) mod prepared_batch;
pub(crate) mod utf8;

use bytes::Bytes;
use simdutf8::basic::from_utf8;

use crate::message::utf8::{InvalidUtf8, Utf8Bytes};

/// A data message. Pings and closes are [events](crate::Event).
///
/// A received message may share the buffer that it was read into, as [`Bytes`] does. While it is
/// held, so is that buffer of up to 128 KiB: copy what you store for long.
// Exhaustive: the protocol has two types of messages, and applications handle both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text (RFC 6455 §5.6).
    Text(Utf8Bytes),
    /// Bytes (RFC 6455 §5.6). Not supported by the hixie drafts.
    Binary(Bytes),
}

/// The kind of a message: the opcode of its first frame (RFC 6455 §5.6).
// Exhaustive, like `Message`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// UTF-8 text.
    Text,
    /// Bytes.
    Binary,
}

/// A piece of an incoming message that is received [in pieces](crate::Driver::stream_messages).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageChunk {
    /// The kind of the message.
    pub kind: MessageKind,
    /// The next bytes of the payload. A text may be split within a character, but its bytes so far
    /// are always a prefix of valid UTF-8. The first and the last chunk may be empty.
    pub data: Bytes,
    /// Whether the message ends with this chunk.
    pub is_final: bool,
}

/// A message borrowed from a buffer.
// Exhaustive, like `Message`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageRef<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

impl MessageChunk {
    /// Creates the only chunk of a message that was received whole.
    #[must_use]
    pub fn whole(message: Message) -> Self {
        Self { kind: message.kind(), data: message.into_bytes(), is_final: true }
    }
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

    /// Returns the kind of the message.
    #[must_use]
    pub fn kind(&self) -> MessageKind {
        match self {
            Self::Text(_) => MessageKind::Text,
            Self::Binary(_) => MessageKind::Binary,
        }
    }

    /// Returns the length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Returns whether the length is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns a borrowed view of the message.
    pub fn borrowed(&self) -> MessageRef<'_> {
        match self {
            Self::Text(text) => MessageRef::Text(text.as_str()),
            Self::Binary(bytes) => MessageRef::Binary(bytes),
        }
    }

    /// Returns the text of a text message.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            Self::Binary(_) => None,
        }
    }

    /// Returns the payload of a message of either type.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Converts a message of either type to its payload. Texts of up to 48 bytes are copied.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Converts the message to its payload, like [`into_bytes`](Self::into_bytes). Provided for
    /// code written for axum or tungstenite.
    pub fn into_data(self) -> Bytes {
        self.into_bytes()
    }

    /// Returns the payload as text, also for a binary message that is valid UTF-8. Unlike
    /// [`as_text`](Self::as_text), it does not depend on the type of the message.
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] if the message is binary and not UTF-8.
    pub fn to_text(&self) -> Result<&str, InvalidUtf8> {
        match self {
            Self::Text(text) => Ok(text.as_str()),
            Self::Binary(bytes) => from_utf8(bytes).map_err(|_| InvalidUtf8),
        }
    }

    /// Converts the message to text, also a binary message that is valid UTF-8.
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] if the message is binary and not UTF-8.
    pub fn into_text(self) -> Result<Utf8Bytes, InvalidUtf8> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Binary(bytes) => bytes.try_into(),
        }
    }
}

/// Copies the payload, unless the message holds the only reference to its buffer.
impl From<Message> for Vec<u8> {
    fn from(message: Message) -> Self {
        message.into_bytes().into()
    }
}

impl From<MessageRef<'_>> for Message {
    fn from(message: MessageRef<'_>) -> Self {
        match message {
            MessageRef::Text(text) => text.into(),
            MessageRef::Binary(bytes) => bytes.into(),
        }
    }
}

impl<'a> From<&'a str> for MessageRef<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for MessageRef<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Utf8Bytes> for Message {
    fn from(text: Utf8Bytes) -> Self {
        Self::Text(text)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, ProtocolError};

    #[test]
    fn messages_events_and_errors_are_small() {
        // An inline text of 48 bytes, and a word for its length and the enum tags.
        assert!(size_of::<Message>() <= 56, "{}", size_of::<Message>());
        assert!(size_of::<Option<Event>>() <= 72, "{}", size_of::<Option<Event>>());
        assert!(size_of::<ProtocolError>() <= 24, "{}", size_of::<ProtocolError>());
    }
}
