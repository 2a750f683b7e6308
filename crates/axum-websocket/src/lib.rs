#![doc = include_str!("../README.md")]

mod extract;
pub mod rejection;

pub use extract::WebSocketUpgrade;
#[cfg(feature = "test-util")]
pub use tower_websocket::test;
pub use tower_websocket::{
    CloseCode, CloseFrame, Config, Error, Event, Message, MessageRef, OriginGuard, OriginRefusal, PatternError,
    PreparedMessage, ProtocolError, Replies, SendError, Shutdown, UpgradeError, Utf8Bytes, Version, WebSocket,
    WebSocketSender,
};
