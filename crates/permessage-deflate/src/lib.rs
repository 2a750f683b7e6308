#![doc = include_str!("../README.md")]

mod codec;
mod config;
mod negotiate;
mod session;
mod window;

pub use config::PermessageDeflate;
pub use window::{InvalidWindowBits, WindowBits};
