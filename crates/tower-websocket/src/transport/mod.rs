//! Transports below a connection, and operations that only some of them support.

pub(crate) mod tcp;
#[cfg(feature = "tls")]
pub(crate) mod tls_session;
#[cfg(feature = "tls")]
pub(crate) mod tls_stream;
pub(crate) mod upgraded;
