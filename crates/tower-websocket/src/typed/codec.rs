use websocket_driver::Message;

use super::error::{DecodeError, EncodeError};

/// An encoding of values of one type, for [`TypedSocket`](crate::typed::TypedSocket).
///
/// ```
/// use std::time::Duration;
///
/// use tower_websocket::typed::{Decode, DecodeError, Encode, EncodeError};
/// use tower_websocket::{CloseCode, Message};
///
/// /// Durations as eight bytes, in nanoseconds.
/// #[derive(Clone)]
/// struct Nanoseconds;
///
/// impl Encode<Duration> for Nanoseconds {
///     fn encode(&self, value: &Duration) -> Result<Message, EncodeError> {
///         let nanoseconds = u64::try_from(value.as_nanos()).map_err(EncodeError::new)?;
///         Ok(Message::binary(nanoseconds.to_be_bytes().to_vec()))
///     }
/// }
///
/// impl Decode<Duration> for Nanoseconds {
///     fn decode(&self, message: Message) -> Result<Duration, DecodeError> {
///         let Message::Binary(bytes) = message else {
///             return Err(DecodeError::new(CloseCode::UNSUPPORTED_DATA, "not a binary message"));
///         };
///         let bytes = bytes[..].try_into().map_err(DecodeError::invalid_data)?;
///         Ok(Duration::from_nanos(u64::from_be_bytes(bytes)))
///     }
/// }
/// # assert!(Nanoseconds.decode(Message::binary("short")).is_err());
/// # assert_eq!(Nanoseconds.decode(Nanoseconds.encode(&Duration::MAX.min(Duration::from_secs(1)))?)?.as_secs(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Encode<T: ?Sized> {
    /// Encodes a value.
    ///
    /// # Errors
    ///
    /// If the value has no encoding.
    fn encode(&self, value: &T) -> Result<Message, EncodeError>;
}

/// A decoding of messages to values of one type, the reverse of [`Encode`]. The messages are sent by
/// the peer, and may contain anything.
pub trait Decode<T> {
    /// Decodes a message. To continue after an invalid message, instead of closing the connection,
    /// decode to a type that can hold it, such as a `Result`.
    ///
    /// # Errors
    ///
    /// If the message is not a valid encoding of a value. The connection is closed with the code of
    /// the error.
    fn decode(&self, message: Message) -> Result<T, DecodeError>;
}
