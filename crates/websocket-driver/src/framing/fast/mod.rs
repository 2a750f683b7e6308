//! The fast path: messages that are parsed without the state machine of [`hybi`](super::hybi),
//! which is the general path.
//!
//! **When it applies.** A server receives a complete, masked message from a client that uses RFC
//! 6455 or hybi-7/8, in one final frame of at most 65,535 bytes ([`frame`]) or in up to 64 frames
//! of at most 125 bytes ([`fragments`], and [`fragmented_text`] for short texts); no extension was
//! negotiated, frames are not rate limited, invalid UTF-8 is not replaced, the connection is not
//! observed, and no other message is in progress. `Driver::fast_limit` returns the limit, or `None`
//! if it does not apply.
//!
//! **What it guarantees.** It consumes a whole message, or leaves the input untouched for the
//! general path. Invalid input is left to the general path as well, except text that is not valid
//! UTF-8, which fails the connection in the same way. [`batch`] returns messages while the driver
//! is not locked.
//!
//! **What proves it.** The fuzz targets `batch` and `differential` pass the same bytes through both
//! paths and compare events and output.
//!
//! **What it buys.** The lines `echo-text-32`, `batch-text-32`, `borrowed-text-32`, and those with
//! `fragments-20` in their names, of `tests/instructions/baseline.txt`. `echo-fragments-20` took
//! 3,174 instructions per message on the general path, and takes 618.

pub(crate) mod batch;
pub(crate) mod fragmented_text;
pub(crate) mod fragments;
pub(crate) mod frame;
