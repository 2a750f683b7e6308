#![doc = include_str!("../README.md")]

mod extract;
pub mod rejection;

pub use extract::WebSocketUpgrade;
#[cfg(feature = "tracing")]
pub use tower_websocket::TracingObserver;
#[cfg(feature = "test-util")]
pub use tower_websocket::test;
pub use tower_websocket::{
    Budget, CloseCause, CloseCode, CloseFrame, Config, ConnectionObserver, ConnectionOpened, Error, Event, Limit,
    LimitExceeded, Message, MessageRef, Observer, OriginGuard, OriginRefusal, OriginalUri, OriginalUriLayer,
    PatternError, PreparedMessage, ProtocolError, Responder, SendError, Shutdown, Timeout, Traffic, UpgradeError,
    Utf8Bytes, Version, WebSocket, WebSocketReader, WebSocketSender,
};
