#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod extract;
mod token;
#[doc = include_str!("../MIGRATING.md")]
pub mod migrating {}
pub mod rejection;
pub mod ws;

pub use extract::WebSocketUpgrade;
pub use token::Token;
pub use token::sources::TokenSources;
pub use tower_websocket;
#[cfg(feature = "test-util")]
pub use tower_websocket::test;
pub use tower_websocket::{
    AbnormalEnd, Budget, ByteStream, CloseCause, CloseCode, CloseFrame, Config, ConnectionLimit, ConnectionPermit,
    Decode, DecodeError, Encode, EncodeError, Error, Event, Message, MessageRef, OriginGuard, PreparedMessage,
    Responder, SendError, ServerConfig, Shutdown, TooManyConnections, TypedError, TypedSender, TypedSocket, Utf8Bytes,
    Version, WebSocket, WebSocketReader, WebSocketSender, config, error, observe, origin, server,
};
#[cfg(feature = "json")]
pub use tower_websocket::{Json, JsonSocket};
