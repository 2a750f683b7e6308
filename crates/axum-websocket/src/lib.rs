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
pub use tower_websocket::InvalidUtf8;
#[cfg(feature = "tracing")]
pub use tower_websocket::TracingObserver;
#[cfg(feature = "test-util")]
pub use tower_websocket::test;
pub use tower_websocket::{
    AbnormalEnd, Budget, ByteStream, CloseCause, CloseCode, CloseFrame, Config, ConnectionLimit, ConnectionObserver,
    ConnectionOpened, ConnectionPermit, Decode, DecodeError, Encode, EncodeError, Error, Event, Limit, LimitExceeded,
    Message, MessageRef, Observer, OriginGuard, OriginRefusal, OriginalUri, OriginalUriLayer, PatternError,
    PreparedMessage, ProtocolError, Responder, SendError, ServerConfig, Shutdown, Timeout, TooManyConnections, Traffic,
    TypedError, TypedSender, TypedSocket, UpgradeError, Utf8Bytes, Version, WebSocket, WebSocketReader,
    WebSocketSender,
};
#[cfg(feature = "json")]
pub use tower_websocket::{Json, JsonSocket};
