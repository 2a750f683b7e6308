//! Utilities shared by the tests of this workspace: the wire format, implemented without the crates
//! under test, and a client for it.

#![allow(clippy::must_use_candidate, clippy::return_self_not_must_use, reason = "tests use what they call")]

pub mod blocking;
pub mod cancel;
pub mod chain;
pub mod driver;
pub mod free_port;
pub mod instructions;
pub mod wire;

use http::{Request, Response};
use websocket_driver::{Driver, Handshake, HandshakeError, ServerConfig};

/// Accepts a handshake like a server on an HTTP stack.
///
/// # Errors
///
/// The reason why the handshake is refused.
pub fn accept<B>(request: &Request<B>, config: ServerConfig) -> Result<(Response<()>, Driver), HandshakeError> {
    Handshake::parse(request).inspect_err(|error| config.report_refusal(error))?.accept(&config)
}

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
