//! The hub over Redis, with real servers that the tests start and kill. Without the program
//! `redis-server`, the tests are skipped and print a note.

mod conformance;
mod gaps;
#[path = "../hub/lag.rs"]
mod lag;
mod nodes;
#[cfg(unix)]
mod processes;
mod server;
mod streams;
mod tls;
