//! What stands around a socket: bytes and values instead of messages, and doors in front of it.

mod byte_stream;
mod limits;
#[path = "../sockets/run.rs"]
mod run;
mod tokens;
mod typed;
