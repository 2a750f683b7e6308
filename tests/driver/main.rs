//! The sans-I/O core as a server, over no socket: bytes in, events and bytes out.

mod accounts;
mod allowance;
mod arbitrary;
mod causes;
mod chunking;
mod handshake;
mod handshake_answers;
mod hixie75;
mod hixie76;
mod http_head;
mod hybi_closing;
mod hybi_framing;
mod hybi_text;
mod keepalive;
mod limits;
mod observing;
mod output;
mod pings;
mod queueing;
mod rates;
mod refusing;
mod replies;
mod session;
mod subprotocols;
mod threats;
mod threats_linear;
