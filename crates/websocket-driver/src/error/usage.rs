//! Incorrect calls during a handshake. Errors of the peer do not belong here.

use http::header::HeaderName;

use crate::error::HandshakeError;

/// A call to a [`Driver`](crate::Driver) or [`Proxy`](crate::Proxy) that does not fit the state of
/// its handshake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// The handshake writes this header itself, or HTTP/2 does not allow it (RFC 9113 §8.2.2).
    #[error("header {0} is reserved for the handshake")]
    ReservedHeader(HeaderName),
    /// There is no request that the call could apply to.
    #[error("no handshake request to answer")]
    NotRequested,
    /// The handshake was answered already, or the request was sent.
    #[error("handshake already answered")]
    AlreadyAnswered,
}

/// The reason why a request that the driver has read is not accepted.
#[derive(Debug)]
pub(crate) enum AcceptError {
    /// The request is refused.
    Refused(HandshakeError),
    /// There is no request, or it was answered already.
    Usage(UsageError),
}

impl From<HandshakeError> for AcceptError {
    fn from(error: HandshakeError) -> Self {
        Self::Refused(error)
    }
}

impl From<UsageError> for AcceptError {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}
