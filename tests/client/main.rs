//! The sans-I/O core as a client and through a proxy, without sockets: bytes in, events and bytes
//! out.

mod both_sides;
mod chunking;
mod deflate;
mod edges;
mod extended_answers;
mod extended_both_sides;
mod extended_connect;
mod framing;
mod framing_faults;
mod lifecycle;
mod negotiation;
mod payloads;
mod proxy;
mod proxy_refusals;
mod refusals;
mod refused_bodies;
mod replacing;
mod request;
mod session;
mod targets;
