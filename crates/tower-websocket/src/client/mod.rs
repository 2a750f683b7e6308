//! The client.

mod address;
pub(crate) mod connect;
mod connector;
mod deadline;
mod dial;
pub(crate) mod error;
pub(crate) mod http2;
mod http2_stream;
mod proxy_env;
pub(crate) mod reconnect;
#[cfg(feature = "tls")]
mod roots;
mod stream_permits;
mod tcp_connect;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
pub(crate) mod tls;
#[cfg_attr(not(feature = "tls"), path = "no_tls_error.rs")]
mod tls_error;
#[cfg(feature = "tls")]
mod tls_stream;
mod tunnel;
