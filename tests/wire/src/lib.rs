//! WebSocket frames, encoded and decoded without the code under test, so that both cannot have the
//! same bug.
//!
//! [`put_frame`] and [`read_header`] are the plain encoding of RFC 6455 §5.2, fast enough for load
//! generators. [`Frame`] is a client frame for tests, which can be made invalid. [`ServerFrame`] is
//! a strictly decoded server frame. Handshakes are in `websocket-tests`.
#![allow(clippy::must_use_candidate, clippy::return_self_not_must_use, reason = "tests use what they call")]

mod encoding;
mod frame;
pub mod opcode;
mod server_frame;

pub use encoding::{FIN, Header, MASK, put_frame, put_hixie_text, read_frame, read_header};
pub use frame::{Frame, LengthForm, frames, hixie_text};
pub use server_frame::{ServerFrame, server_frame, server_frames};
