#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod extract;
#[doc = include_str!("../MIGRATING.md")]
pub mod migrating {}
pub mod rejection;
pub mod ws;

pub use extract::WebSocketUpgrade;
pub use tower_websocket::InvalidUtf8;
#[cfg(feature = "tracing")]
pub use tower_websocket::TracingObserver;
#[cfg(feature = "test-util")]
pub use tower_websocket::test;
pub use tower_websocket::{
    Budget, CloseCause, CloseCode, CloseFrame, Config, ConnectionObserver, ConnectionOpened, Error, Event, Limit,
    LimitExceeded, Message, MessageRef, Observer, OriginGuard, OriginRefusal, OriginalUri, OriginalUriLayer,
    PatternError, PreparedMessage, ProtocolError, Responder, SendError, ServerConfig, Shutdown, Timeout, Traffic,
    UpgradeError, Utf8Bytes, Version, WebSocket, WebSocketReader, WebSocketSender,
};
