//! The stack over real sockets: every way to serve, every version, with clients that share no code
//! with it.

mod accept_requests;
mod accepting;
mod answering;
mod backpressure;
mod budget;
mod cancellation;
mod causes;
mod client;
mod closing;
mod debug_output;
mod deferred;
mod ending;
mod extractor;
mod for_each;
mod gates;
mod hixie76_body;
mod http2;
mod http2_frames;
mod hyper_facts;
mod keepalive;
#[cfg(target_os = "linux")]
mod last_segment;
mod layer;
mod observing;
mod origin;
mod original_uri;
mod pair;
mod panics;
mod prepared;
mod rates;
mod raw;
mod refusal_extensions;
mod refusals;
mod rejections;
mod reuse;
mod round_trips;
mod run;
mod sender;
mod sender_flow;
mod serve;
mod shutdown;
mod slow_readers;
mod socket;
mod split;
mod stacks;
mod stalled_http2;
mod stalled_peers;
mod stream_sink;
mod streams;
// Windows does not return these options.
#[cfg(not(windows))]
mod tcp_keepalive;
mod threads;
mod threats;
mod tls;
mod transport_access;
mod transports;
mod upgrade;
mod versions;
mod wire;
