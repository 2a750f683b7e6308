#![doc = include_str!("../README.md")]

mod close;
mod config;
mod driver;
mod error;
mod event;
mod handshake;
mod hixie;
mod http;
mod hybi;
mod message;
mod news;
mod opening;
mod output;
mod protocol;
mod ready_state;
mod utf8;
mod version;

pub use close::{CloseCode, CloseFrame};
pub use config::Config;
pub use driver::Driver;
pub use error::{HandshakeError, HeadError, ProtocolError, SendError};
pub use event::Event;
pub use handshake::{is_handshake, requested_protocols};
pub use message::Message;
pub use output::Output;
pub use ready_state::ReadyState;
pub use utf8::{InvalidUtf8, Utf8Bytes};
pub use version::Version;
pub use websocket_driver_extensions as extensions;
