//! What the protocol costs without a socket. Masking, frame headers and UTF-8 have no public function of their own, so
//! they are measured where they are reached: in a driver that is fed with many frames of one kind. What they cost alone is
//! the difference between two lines of a group.
//!
//! Times are those of a whole read of some 64 KiB, except where the name tells what is done once; the throughput counts the
//! bytes of the messages in it, or their number.
//!
//! ```text
//! cargo bench -p websocket-driver -- echo
//! ```

mod echo;
mod handshake;
mod header;
mod masking;
mod pair;
mod utf8;
mod wire;

use criterion::{criterion_group, criterion_main};

criterion_group!(benches, masking::bench, header::bench, utf8::bench, echo::bench, handshake::bench);
criterion_main!(benches);
