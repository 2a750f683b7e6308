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
    Budget, ByteStream, CloseCause, CloseCode, CloseFrame, Config, Error, Event, IncomingMessage, Message,
    MessageChunk, MessageKind, MessageRef, OriginGuard, OutgoingMessage, PreparedMessage, Responder, SendError,
    ServerConfig, Shutdown, Utf8Bytes, Version, WebSocket, WebSocketReader, WebSocketSender, config, error, limit,
    observe, origin, server, typed,
};
