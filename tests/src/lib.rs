//! What the tests of this workspace share: the wire, written and read without the crates under test.

pub mod wire;

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
