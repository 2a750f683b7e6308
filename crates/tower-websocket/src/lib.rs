#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod accept;
mod acceptance;
mod answer;
mod background;
#[cfg(feature = "client")]
pub mod client;
pub mod config;
mod connection;
pub mod error;
pub mod guide;
mod held;
mod layer;
pub mod limit;
#[doc = include_str!("../MIGRATING.md")]
pub mod migrating {}
pub mod observe;
pub mod origin;
pub mod server;
mod shutdown;
mod socket;
mod sync;
#[cfg(any(test, feature = "test-util"))]
pub mod test;
#[cfg(feature = "tracing")]
mod trace;
mod transport;
pub mod typed;
mod upgrade;

pub use accept::accept;
pub use answer::answer;
pub use answer::request::is_handshake;
#[cfg(feature = "client")]
pub use client::connect::connect;
pub use error::Error;
pub use layer::WebSocketLayer;
pub use origin::guard::OriginGuard;
pub use shutdown::Shutdown;
pub use socket::WebSocket;
pub use socket::byte_stream::ByteStream;
pub use socket::incoming::IncomingMessage;
pub use socket::outgoing::OutgoingMessage;
pub use socket::replies::Responder;
pub use socket::sender::WebSocketSender;
pub use socket::split::WebSocketReader;
#[cfg(feature = "tls")]
pub use transport::tls_session::TlsSession;
pub use transport::upgraded::Upgraded;
pub use upgrade::upgrade;
pub use websocket_driver as driver;
pub use websocket_driver::{
    Budget, ClientConfig, CloseCause, CloseCode, CloseFrame, CompletedHandshake, Config, Event, Message, MessageChunk,
    MessageKind, MessageRef, PreparedBatch, PreparedMessage, SendError, ServerConfig, Utf8Bytes, Version,
};
