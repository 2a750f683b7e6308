pub(crate) mod close;
pub(crate) mod inline_text;
pub(crate) mod prepared;
pub(crate) mod utf8;

use bytes::Bytes;
use simdutf8::basic::from_utf8;

use crate::message::utf8::{InvalidUtf8, Utf8Bytes};

/// A message: data only. Pings and closes are [events](crate::Event).
///
/// A message that came from a peer may share the buffer it was read into, as [`Bytes`] do. One that is kept
/// for long keeps that buffer too, of up to 128 KiB; copy what you store.
// Exhaustive: the protocol has two types of messages, and applications handle both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text (RFC 6455 §5.6).
    Text(Utf8Bytes),
    /// Bytes (RFC 6455 §5.6). Not in the hixie drafts.
    Binary(Bytes),
}

/// A message where it lies, in a buffer that someone else owns.
// Exhaustive, like `Message`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageRef<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

impl Message {
    /// A text message.
    pub fn text(text: impl Into<Utf8Bytes>) -> Self {
        Self::Text(text.into())
    }

    /// A binary message.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// The length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether the length is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The message, borrowed.
    pub fn borrowed(&self) -> MessageRef<'_> {
        match self {
            Self::Text(text) => MessageRef::Text(text.as_str()),
            Self::Binary(bytes) => MessageRef::Binary(bytes),
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            Self::Binary(_) => None,
        }
    }

    /// The bytes, of text as well.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The bytes, of text as well. Short texts are copied.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Returns the bytes, as [`into_bytes`](Self::into_bytes) does. It is there for code that was written for axum or tungstenite.
    pub fn into_data(self) -> Bytes {
        self.into_bytes()
    }

    /// Returns the text, also that of a binary message that is UTF-8. Unlike [`as_text`](Self::as_text) it does not depend on the
    /// kind of message.
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

    /// Converts the message to its text, also a binary message that is UTF-8.
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

/// Copies the bytes, unless they are the only reference to their buffer.
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
        // One text of up to 48 bytes, and the word that has its length and the tag.
        assert!(size_of::<Message>() <= 56, "{}", size_of::<Message>());
        assert!(size_of::<Option<Event>>() <= 72, "{}", size_of::<Option<Event>>());
        assert!(size_of::<ProtocolError>() <= 24, "{}", size_of::<ProtocolError>());
    }
}
