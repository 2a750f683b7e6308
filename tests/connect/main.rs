//! `tower_websocket::connect` over real sockets: with this project's servers, with scripted servers
//! and proxies, and over TLS with certificates created here.

mod arrivals;
mod attempts;
mod cancellation;
mod certificates;
mod closing;
mod connectors;
mod environment;
mod failures;
mod forwarder;
mod http2;
mod http2_cancellation;
mod http2_ends;
mod http2_failures;
mod http2_flow;
mod http2_frames;
mod http2_peer;
mod http2_refusals;
mod http2_servers;
mod http2_sharing;
mod http2_tunnels;
mod http2_wire;
mod ipv6_zones;
mod peer;
mod proxies;
mod proxy_failures;
mod reconnect;
mod reconnect_ends;
mod refusals;
#[path = "../sockets/run.rs"]
mod run;
mod servers;
mod streams;
mod threats;
mod timeouts;
mod tls;
mod tls_alerts;
mod tls_proxies;
mod tls_streams;
mod transient;
