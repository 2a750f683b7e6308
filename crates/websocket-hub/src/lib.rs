#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod backend;
mod config;
mod core;
mod delivery;
mod error;
pub mod guide;
mod hub;
mod interest;
mod member;
mod notice;
mod observer;
mod position;
mod publication;
mod stats;
mod subscribe;
mod sync;
#[cfg(any(test, feature = "test-util"))]
pub mod test;

pub use config::{HistoryLimit, HubConfig, ToFrame};
pub use error::{
    BackendError, CatchUpError, DisconnectError, HubDropped, PublishError, SubscribeError, TooManyConnections,
    TopicError,
};
pub use hub::Hub;
pub use member::Member;
pub use notice::Notice;
pub use observer::HubObserver;
pub use position::{ParsePositionError, Position};
pub use stats::HubStats;
pub use subscribe::{Overflow, QueueLimit, Recovery, Subscribe, Subscribed};
pub use tower_websocket::{Budget, CloseCode, Message, PreparedMessage, WebSocketSender};
