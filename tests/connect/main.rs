//! `tower_websocket::connect` over real sockets: to this project's own servers, to servers and proxies that do as the test
//! says, and through TLS with certificates made here.

mod cancellation;
mod certificates;
mod closing;
mod environment;
mod failures;
mod forwarder;
mod peer;
mod proxies;
mod proxy_failures;
mod refusals;
#[path = "../sockets/run.rs"]
mod run;
mod servers;
mod streams;
mod timeouts;
mod tls;
mod tls_streams;
