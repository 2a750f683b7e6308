//! The example `wsx`, run as a program: what it prints, and what its peer receives.
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
#[path = "../sockets/run.rs"]
#[allow(dead_code, reason = "the clock of another process does not stand still")]
mod run;
mod screen;
mod sending;
mod servers;
#[cfg(unix)]
mod terminal;
mod tunnels;
