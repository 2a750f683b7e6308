#![doc = include_str!("../README.md")]

mod codec;
mod config;
mod extension;
mod negotiate;
mod session;
mod window;

pub use config::PermessageDeflate;
pub use window::{InvalidWindowBits, WindowBits};
