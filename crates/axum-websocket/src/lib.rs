#![doc = include_str!("../README.md")]

mod extract;
pub mod rejection;

pub use extract::WebSocketUpgrade;
pub use tower_websocket::{
    CloseCode, CloseFrame, Config, Error, Event, Message, MessageRef, PreparedMessage, ProtocolError, Replies,
    SendError, UpgradeError, Utf8Bytes, Version, WebSocket,
};
