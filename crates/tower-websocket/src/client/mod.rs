//! Outgoing connections: the types behind [`connect`](fn@crate::connect).

mod address;
pub(crate) mod connect;
mod connector;
mod deadline;
mod dial;
pub(crate) mod error;
#[cfg(feature = "http2")]
pub(crate) mod http2;
#[cfg(feature = "http2")]
mod http2_connect;
#[cfg(feature = "http2")]
mod http2_stream;
mod proxy_env;
pub(crate) mod reconnect;
#[cfg(feature = "tls")]
mod roots;
#[cfg(feature = "http2")]
mod stream_permits;
mod tcp_connect;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
pub(crate) mod tls;
#[cfg_attr(not(feature = "tls"), path = "no_tls_error.rs")]
mod tls_error;
mod tunnel;

pub use websocket_driver::{ProxyError, ResponseError, ResponseFault, UrlError};

pub use self::connect::Connect;
pub use self::error::ConnectError;
#[cfg(feature = "http2")]
pub use self::http2::Http2Connection;
pub use self::reconnect::Reconnect;
pub use self::tls::TlsConfig;
