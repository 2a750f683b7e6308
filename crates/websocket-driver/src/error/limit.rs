use std::fmt;

use crate::message::close::CloseCode;

/// A limit of a [`Config`](crate::Config).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// [`max_frame_size`](crate::Config::max_frame_size), in bytes.
    FrameSize,
    /// [`max_message_size`](crate::Config::max_message_size), in bytes, on the wire and inflated.
    MessageSize,
    /// [`max_fragments`](crate::Config::max_fragments).
    Fragments,
    /// [`max_head_size`](crate::Config::max_head_size), in bytes.
    HeadSize,
    /// [`max_headers`](crate::Config::max_headers).
    Headers,
    /// [`max_memory`](crate::Config::max_memory), in bytes.
    Memory,
    /// [`max_frame_rate`](crate::Config::max_frame_rate), in frames a second.
    FrameRate,
    /// [`max_control_rate`](crate::Config::max_control_rate), in control frames a second.
    ControlRate,
}

impl Limit {
    /// Returns the name of the bounded quantity, such as "frame size".
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FrameSize => "frame size",
            Self::MessageSize => "message size",
            Self::Fragments => "fragments",
            Self::HeadSize => "head size",
            Self::Headers => "header fields",
            Self::Memory => "memory",
            Self::FrameRate => "frame rate",
            Self::ControlRate => "control frame rate",
        }
    }

    /// Returns the code that a connection is closed with when the limit is exceeded (RFC 6455
    /// §7.4.1).
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::FrameSize | Self::MessageSize | Self::Fragments | Self::Memory => CloseCode::MESSAGE_TOO_BIG,
            Self::FrameRate | Self::ControlRate => CloseCode::POLICY_VIOLATION,
            Self::HeadSize | Self::Headers => CloseCode::PROTOCOL_ERROR,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A limit that a peer exceeded.
// Exhaustive: a limit, its maximum and the size are all there is to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LimitExceeded {
    /// The limit.
    pub limit: Limit,
    /// The configured maximum.
    pub max: u64,
    /// The amount announced or received when the limit was checked: more than `max`.
    pub size: u64,
}

impl LimitExceeded {
    /// Creates the value for a limit whose check stops at the first excess.
    pub(crate) fn by_one(limit: Limit, max: u64) -> Self {
        Self { limit, max, size: max.saturating_add(1) }
    }
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} limit exceeded: {} > {}", self.limit, self.size, self.max)
    }
}
