//! Sockets of values instead of messages, by any encoding.

pub(crate) mod codec;
pub(crate) mod error;
#[cfg(feature = "json")]
pub(crate) mod json;
pub(crate) mod sender;
pub(crate) mod socket;

pub use self::codec::{Decode, Encode};
pub use self::error::{DecodeError, EncodeError, TypedError};
#[cfg(feature = "json")]
pub use self::json::{Json, JsonSocket};
pub use self::sender::TypedSender;
pub use self::socket::TypedSocket;
