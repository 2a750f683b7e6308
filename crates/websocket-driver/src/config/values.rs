//! The values of a configuration, as copies that the caller owns.

use std::time::Duration;

/// The limits of a [`Config`](crate::Config), each under the name of its setter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest message, in bytes.
    pub max_message_size: usize,
    /// The longest frame, in bytes of payload.
    pub max_frame_size: usize,
    /// The number of fragments of a message.
    pub max_fragments: usize,
    /// The longest HTTP head, in bytes.
    pub max_head_size: usize,
    /// The number of header fields.
    pub max_headers: usize,
    /// The number of bytes that may wait to be written.
    pub max_output: usize,
    /// The memory of a connection, in bytes.
    pub max_memory: usize,
}

/// The timeouts of a [`Config`](crate::Config).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// [`Config::handshake_timeout`](crate::Config::handshake_timeout).
    pub handshake: Duration,
    /// [`Config::close_timeout`](crate::Config::close_timeout).
    pub close: Duration,
    /// [`Config::ping_interval`](crate::Config::ping_interval).
    pub ping_interval: Option<Duration>,
    /// [`Config::pong_timeout`](crate::Config::pong_timeout).
    pub pong: Duration,
    /// [`Config::idle_timeout`](crate::Config::idle_timeout).
    pub idle: Option<Duration>,
}
