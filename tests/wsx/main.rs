//! The crate `wsx`, run as a program: what it prints, and what its peer receives.
//!
//! `cargo test --workspace` builds it. With `-p websocket-tests` alone, build it first and after
//! each change: `cargo build --example wsx`.

mod closing;
mod cuts;
mod events;
mod failures;
mod input;
mod options;
mod peer;
mod program;
#[cfg(unix)]
mod prompt;
mod proxies;
mod routes;
#[path = "../sockets/run.rs"]
#[allow(dead_code, reason = "the clock of another process does not stand still")]
mod run;
mod screen;
mod sending;
mod servers;
#[path = "../programs/socks5_server.rs"]
mod socks5_server;
#[cfg(unix)]
mod terminal;
mod tunnels;
