//! The stack over real sockets: every way to serve, every version, with clients that share no code with it.

mod accepting;
mod backpressure;
mod cancellation;
mod client;
mod closing;
mod deferred;
mod ending;
mod extractor;
mod for_each;
mod hixie76_body;
mod http2;
mod http2_frames;
mod layer;
mod pair;
mod refusals;
mod rejections;
mod run;
mod serve;
mod socket;
mod stacks;
mod stream_sink;
mod tls;
mod transports;
mod upgrade;
mod versions;
mod wire;
