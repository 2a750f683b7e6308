#![doc = include_str!("../README.md")]

mod extract;
#[doc = include_str!("../MIGRATING.md")]
pub mod migrating {}
pub mod rejection;
pub mod ws;

pub use extract::WebSocketUpgrade;
pub use tower_websocket::InvalidUtf8;
#[cfg(feature = "tracing")]
pub use tower_websocket::Trace;
#[cfg(feature = "test-util")]
pub use tower_websocket::test;
pub use tower_websocket::{
    Budget, CloseCause, CloseCode, CloseFrame, Config, ConnectionObserver, Error, Event, Exceeded, Limit, Message,
    MessageRef, Observer, Opened, OriginGuard, OriginRefusal, OriginalUri, OriginalUriLayer, PatternError,
    PreparedMessage, ProtocolError, Replies, SendError, Shutdown, Timeout, Traffic, UpgradeError, Utf8Bytes, Version,
    WebSocket, WebSocketReader, WebSocketSender,
};
