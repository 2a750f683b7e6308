//! Sockets of values instead of messages, by any encoding.

pub(crate) mod codec;
pub(crate) mod error;
#[cfg(feature = "json")]
pub(crate) mod json;
pub(crate) mod sender;
pub(crate) mod socket;
