//! The client.

pub(crate) mod connect;
pub(crate) mod error;
#[cfg(feature = "tls")]
mod roots;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
pub(crate) mod tls;
mod tunnel;
