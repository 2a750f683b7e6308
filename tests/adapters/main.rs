//! Adapters around a socket: bytes and values instead of messages, and admission checks.

mod byte_stream;
mod limits;
#[path = "../sockets/run.rs"]
mod run;
mod tokens;
mod typed;
