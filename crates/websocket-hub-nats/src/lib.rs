#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod backend;
mod confirmations;
mod error;
mod events;
mod gathering;
mod inbox;
mod link;
mod reader;
mod subject;
mod sync;
mod wire;

pub use async_nats::{ConnectOptions, ServerAddr, ToServerAddrs};
pub use backend::Nats;
pub use error::{ConfigError, NatsBackendError};
