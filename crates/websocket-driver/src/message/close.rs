use std::fmt;

use crate::message::utf8::Utf8Bytes;

/// Why a connection was closed, as a number (RFC 6455 §7.4).
///
/// Any `u16` can be held, since a peer can send any; [`is_sendable`](Self::is_sendable) tells which may
/// stand in a close frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection has been fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: a server goes down, or a browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: the peer sent a kind of data that cannot be accepted.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005: the close frame had no code. Never on the wire.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: the transport ended without a close frame. Never on the wire.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: a text message was not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: a policy was violated, and no other code fits.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message was too big.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: a client needs an extension that the server did not agree to.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: the server met an unexpected condition.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the service is overloaded.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway had no valid answer from its upstream.
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015: the TLS handshake failed. Never on the wire.
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// Whether the code may stand in a close frame: 1000–1003, 1007–1014 and 3000–4999 (RFC 6455 §7.4,
    /// with the codes registered since).
    #[must_use]
    pub const fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl PartialEq<u16> for CloseCode {
    fn eq(&self, other: &u16) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

/// The code and the reason a connection was closed with (RFC 6455 §7.1.5, §7.1.6).
// Exhaustive: the body of a close frame is a code and a reason, and applications write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    /// The code; [`CloseCode::NO_STATUS`] where the peer gave none, [`CloseCode::ABNORMAL`] where the
    /// transport ended without a close frame.
    pub code: CloseCode,
    /// The reason, mostly empty; at most 123 bytes.
    pub reason: Utf8Bytes,
}

impl From<CloseCode> for CloseFrame {
    fn from(code: CloseCode) -> Self {
        Self { code, reason: Utf8Bytes::default() }
    }
}
