//! The examples of other runtimes and streams, run as programs against other implementations.
//!
//! `cargo test --workspace` builds them. With `-p websocket-tests` alone, build them first and
//! after each change: `cargo build --examples`.

#[cfg(unix)]
mod cluster;
mod javascript;
mod program;
#[path = "../sockets/run.rs"]
#[allow(dead_code, reason = "the clock of another process does not stand still")]
mod run;
mod runtimes;
mod socks5;
mod socks5_server;
#[cfg(unix)]
mod unix_socket;
