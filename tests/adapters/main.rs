//! What stands between a socket and code that knows bytes or values.

mod byte_stream;
#[path = "../sockets/run.rs"]
mod run;
mod typed;
