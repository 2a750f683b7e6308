#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod backend;
mod commands;
mod config;
mod control;
mod error;
mod inbox;
mod keys;
mod listener;
mod presence;
mod scripts;
mod server;
mod subscriptions;
mod sync;
#[cfg(feature = "tls")]
mod tls;

pub use backend::RedisBackend;
pub use config::{RedisConfig, Streams};
pub use error::{InvalidTls, InvalidUrl, RedisBackendError};
