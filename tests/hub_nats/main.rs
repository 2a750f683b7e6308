//! Hubs that are connected through a real nats-server, which is stopped, killed and restarted.

// Servers are paused by signals.
#![cfg(unix)]

mod conformance;
mod failures;
mod forwarder;
#[path = "../hub/lag.rs"]
mod lag;
mod members;
mod overload;
mod server;
mod subjects;
mod tls;
