//! The fast path: messages that are parsed without the state machine of [`hybi`](super::hybi), which is the general path.
//!
//! **When it applies.** A server receives a whole, masked message from a client that speaks RFC 6455 or hybi-7/8, in one final
//! frame of at most 65,535 bytes ([`frame`]) or in up to 64 frames of at most 125 bytes ([`fragments`]); no extension was agreed
//! to, frames are not rate limited, the connection is not observed, and no other message is under way. `Driver::fast_limit`
//! returns the limit, or `None` if it does not apply.
//!
//! **What it guarantees.** It takes a message whole, or leaves the input untouched for the general path. Whatever is wrong with
//! the bytes is left to the general path as well, except text that is not UTF-8, which fails the connection in the same way.
//! [`batch`] hands messages out while the driver is not locked.
//!
//! **What proves it.** The fuzz targets `batch` and `differential` feed the same bytes both ways and compare events and output.
//!
//! **What it buys.** The lines `echo-text-32`, `batch-text-32`, `borrowed-text-32` and `echo-fragments-20` of
//! `tests/instructions/baseline.txt`. `echo-fragments-20` took 3,174 instructions a message the general way, and takes 867.

pub(crate) mod batch;
pub(crate) mod fragments;
pub(crate) mod frame;
