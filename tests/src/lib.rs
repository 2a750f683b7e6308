//! What the tests of this workspace share: the wire, written and read without the crates under test, and a client on it.

#![allow(clippy::must_use_candidate, clippy::return_self_not_must_use, reason = "tests use what they call")]

pub mod blocking;
pub mod chain;
pub mod wire;

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
