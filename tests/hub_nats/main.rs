//! Hubs that are connected through a real nats-server, which is stopped, killed and restarted.

mod conformance;
mod failures;
mod forwarder;
mod members;
mod overload;
mod server;
mod subjects;
mod tls;
