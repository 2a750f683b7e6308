use std::{fmt, io};

use crate::error::ProtocolError;
use crate::error::chain::ErrorChain;
use crate::error::limit::LimitExceeded;
use crate::message::close::{CloseCode, CloseFrame};

/// The reason why a connection ended: the first event that led to it. The [`CloseFrame`] is the
/// close code and reason that were sent or received.
///
/// ```
/// use websocket_driver::CloseCause;
///
/// /// Returns whether the cause deserves a line in the log.
/// fn is_remarkable(cause: &CloseCause) -> bool {
///     !matches!(cause, CloseCause::Local(_) | CloseCause::Remote(_) | CloseCause::Ended)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseCause {
    /// This side closed, with this code and reason.
    Local(CloseFrame),
    /// The peer closed, with this code and reason.
    Remote(CloseFrame),
    /// The peer, or the request or response of the handshake, violated the protocol:
    /// [`ProtocolError::section`] names the rule.
    Protocol(ProtocolError),
    /// The peer exceeded a limit.
    Limit(LimitExceeded),
    /// A timeout expired.
    Timeout(Timeout),
    /// The transport ended in order, without a close frame before.
    Ended,
    /// The peer, or an intermediary, reset the transport.
    Reset,
    /// TLS ended without `close_notify` (RFC 8446 §6.1): the data may have been truncated by an
    /// attacker.
    Truncated,
    /// The transport failed in another way.
    Failed(io::ErrorKind),
    /// The application dropped its end.
    Dropped,
    /// A shutdown reached its limit.
    Cut,
}

/// A timeout that expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Timeout {
    /// The handshake: [`handshake_timeout`](crate::Config::handshake_timeout).
    Handshake,
    /// There was no message: [`idle_timeout`](crate::Config::idle_timeout).
    Idle,
    /// The peer did not answer a ping: [`pong_timeout`](crate::Config::pong_timeout).
    Pong,
    /// The peer did not answer a close: [`close_timeout`](crate::Config::close_timeout).
    Close,
}

impl CloseCause {
    /// Returns the kind of the cause, for use as a metric label: `local`, `remote`, `protocol`,
    /// `limit`, `timeout`, `ended`, `reset`, `truncated`, `failed`, `dropped`, `cut`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Local(_) => "local",
            Self::Remote(_) => "remote",
            Self::Protocol(_) => "protocol",
            Self::Limit(_) => "limit",
            Self::Timeout(_) => "timeout",
            Self::Ended => "ended",
            Self::Reset => "reset",
            Self::Truncated => "truncated",
            Self::Failed(_) => "failed",
            Self::Dropped => "dropped",
            Self::Cut => "cut",
        }
    }

    /// Returns the close code for the cause: that of the close frame sent or received, the code
    /// that a protocol violation or an exceeded limit is answered with, [`CloseCode::GOING_AWAY`]
    /// after an idle timeout, and otherwise [`CloseCode::ABNORMAL`] (RFC 6455 §7.4.1).
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::Local(close) | Self::Remote(close) => close.code,
            Self::Protocol(error) => error.close_code(),
            Self::Limit(exceeded) => exceeded.limit.close_code(),
            Self::Timeout(Timeout::Idle) => CloseCode::GOING_AWAY,
            _ => CloseCode::ABNORMAL,
        }
    }
}

impl From<ProtocolError> for CloseCause {
    fn from(error: ProtocolError) -> Self {
        error.exceeded().map_or_else(|| Self::Protocol(error), Self::Limit)
    }
}

/// How a transport ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportEnd {
    /// The transport ended in order: a FIN, or the `close_notify` of TLS.
    Ended,
    /// The transport was reset.
    Reset,
    /// TLS ended without `close_notify` (RFC 8446 §6.1); the data may have been truncated by an
    /// attacker.
    Truncated,
    /// The transport failed in another way.
    Failed(io::ErrorKind),
    /// The caller dropped the transport, since a timeout expired.
    TimedOut(Timeout),
    /// The caller dropped the transport, since the application has dropped the connection.
    Dropped,
    /// The caller dropped the transport, since a shutdown reached its limit.
    Cut,
}

impl From<TransportEnd> for CloseCause {
    fn from(end: TransportEnd) -> Self {
        match end {
            TransportEnd::Ended => Self::Ended,
            TransportEnd::Reset => Self::Reset,
            TransportEnd::Truncated => Self::Truncated,
            TransportEnd::Failed(kind) => Self::Failed(kind),
            TransportEnd::TimedOut(timeout) => Self::Timeout(timeout),
            TransportEnd::Dropped => Self::Dropped,
            TransportEnd::Cut => Self::Cut,
        }
    }
}

/// Maps the error of a transport. rustls reports a missing `close_notify` as `UnexpectedEof`.
impl From<io::ErrorKind> for TransportEnd {
    fn from(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                Self::Reset
            }
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            kind => Self::Failed(kind),
        }
    }
}

impl fmt::Display for CloseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(close) => write!(f, "closed locally with {}", close.code),
            Self::Remote(close) => write!(f, "closed by the peer with {}", close.code),
            Self::Protocol(error) => ErrorChain(error).fmt(f),
            Self::Limit(exceeded) => exceeded.fmt(f),
            Self::Timeout(timeout) => timeout.fmt(f),
            Self::Ended => f.write_str("transport ended without a close frame"),
            Self::Reset => f.write_str("transport was reset"),
            Self::Truncated => f.write_str("TLS ended without close_notify"),
            Self::Failed(kind) => write!(f, "transport failed: {kind}"),
            Self::Dropped => f.write_str("dropped by the application"),
            Self::Cut => f.write_str("cut by a shutdown"),
        }
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => "handshake timed out",
            Self::Idle => "idle timeout expired",
            Self::Pong => "no pong received in time",
            Self::Close => "no close frame received in time",
        })
    }
}
