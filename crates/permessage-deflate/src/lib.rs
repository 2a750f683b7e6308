#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod codec;
mod config;
mod extension;
mod negotiate;
mod session;
mod window;

pub use config::PermessageDeflate;
pub use window::{InvalidWindowBits, WindowBits};
