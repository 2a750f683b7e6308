#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod accept;
mod acceptance;
mod answer;
mod background;
#[cfg(feature = "client")]
mod client;
mod connection;
mod error;
pub mod guide;
mod held;
mod layer;
mod limit;
#[doc = include_str!("../MIGRATING.md")]
pub mod migrating {}
mod origin;
mod shutdown;
mod socket;
mod sync;
#[cfg(any(test, feature = "test-util"))]
pub mod test;
#[cfg(feature = "tracing")]
mod trace;
mod transport;
mod typed;
mod upgrade;

pub use accept::{Accept, AcceptError, PlainHttp, accept};
pub use acceptance::Acceptance;
pub use answer::answer;
pub use answer::pending::PendingSocket;
pub use answer::request::{HandshakeRequest, is_handshake};
#[cfg(feature = "client")]
pub use client::connect::{Connect, connect};
#[cfg(feature = "client")]
pub use client::error::ConnectError;
#[cfg(all(feature = "client", feature = "http2"))]
pub use client::http2::Http2Connection;
#[cfg(feature = "client")]
pub use client::reconnect::Reconnect;
#[cfg(feature = "client")]
pub use client::tls::TlsConfig;
pub use error::Error;
pub use layer::WebSocketLayer;
pub use layer::body::ResponseBody;
pub use layer::future::ResponseFuture;
pub use layer::original_uri::{OriginalUriLayer, OriginalUriService};
pub use layer::service::WebSocketService;
pub use limit::refusal::TooManyConnections;
pub use limit::{ConnectionLimit, ConnectionPermit};
pub use origin::guard::OriginGuard;
pub use origin::layer::OriginGuardService;
pub use origin::pattern::PatternError;
pub use origin::refusal::OriginRefusal;
pub use shutdown::Shutdown;
pub use socket::WebSocket;
pub use socket::abnormal_end::AbnormalEnd;
pub use socket::byte_stream::ByteStream;
pub use socket::replies::Responder;
pub use socket::sender::WebSocketSender;
pub use socket::split::WebSocketReader;
#[cfg(feature = "tracing")]
pub use trace::TracingObserver;
#[cfg(feature = "tls")]
pub use transport::tls_session::TlsSession;
pub use transport::upgraded::Upgraded;
pub use typed::codec::{Decode, Encode};
pub use typed::error::{DecodeError, EncodeError, TypedError};
#[cfg(feature = "json")]
pub use typed::json::{Json, JsonSocket};
pub use typed::sender::TypedSender;
pub use typed::socket::TypedSocket;
pub use upgrade::error::{UpgradeError, UpgradeRefusal};
pub use upgrade::{Upgrade, UpgradeRequest, upgrade};
pub use websocket_driver::{
    Budget, Charge, Client, ClientConfig, CloseCause, CloseCode, CloseFrame, CompletedHandshake, Config,
    ConnectProtocol, ConnectionObserver, ConnectionOpened, Event, Handshake, HandshakeError, HeadError, InvalidUtf8,
    Limit, LimitExceeded, Limits, Message, MessageRef, Observer, OriginalUri, PreparedMessage, ProtocolError,
    ProxyError, ResponseError, ResponseFault, SendError, Server, ServerConfig, Side, Timeout, Timeouts, Traffic,
    UrlError, UsageError, Utf8Bytes, Version,
};
