#![doc = include_str!("../README.md")]

mod accept;
mod background;
mod client;
mod connection;
mod error;
mod reader;
mod replies;
mod sender;
mod server;
mod shutdown;
mod socket;
mod sync;
mod tcp;
#[cfg(any(test, feature = "test-util"))]
pub mod test;
#[cfg(feature = "tracing")]
mod trace;
mod upgrade;
mod upgraded;

pub use accept::{Accept, AcceptError, PlainHttp, accept};
pub use client::connect::{Connect, connect};
pub use client::error::ConnectError;
pub use client::http2::Http2Connection;
pub use client::reconnect::Reconnect;
pub use client::tls::TlsConfig;
pub use error::Error;
pub use reader::WebSocketReader;
pub use replies::Replies;
pub use sender::WebSocketSender;
pub use server::body::ResponseBody;
pub use server::future::ResponseFuture;
pub use server::layer::WebSocketLayer;
pub use server::origin::guard::OriginGuard;
pub use server::origin::pattern_error::PatternError;
pub use server::origin::refusal::OriginRefusal;
pub use server::origin::service::OriginGuardService;
pub use server::original_uri::{OriginalUriLayer, OriginalUriService};
pub use server::service::WebSocketService;
pub use shutdown::Shutdown;
pub use socket::WebSocket;
#[cfg(feature = "tracing")]
pub use trace::Trace;
pub use upgrade::{Upgrade, UpgradeError, UpgradeRefusal, check, is_handshake, upgrade};
pub use upgraded::Upgraded;
pub use websocket_driver::{
    Budget, Charge, CloseCause, CloseCode, CloseFrame, Config, ConnectionObserver, Event, Exceeded, HandshakeError,
    HeadError, Limit, Message, MessageRef, Observer, Opened, OriginalUri, PreparedMessage, ProtocolError, ProxyError,
    ResponseError, ResponseFault, SendError, Timeout, Traffic, UrlError, Utf8Bytes, Version, requested_protocols,
};
