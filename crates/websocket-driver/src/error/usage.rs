//! Mistakes of the caller during a handshake. What a peer does wrong is not here.

use http::header::HeaderName;
use http::{Response, StatusCode};

use crate::error::{HandshakeError, text_response};

/// A call to a [`Driver`](crate::Driver) or [`Proxy`](crate::Proxy) that does not fit the state of its handshake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// The handshake writes this header itself, or HTTP/2 does not have it (RFC 9113 §8.2.2).
    #[error("header {0} is reserved for the handshake")]
    ReservedHeader(HeaderName),
    /// There is no request that the call could refer to.
    #[error("no handshake request to answer")]
    NotRequested,
    /// The handshake was answered already, or the request was sent.
    #[error("handshake already answered")]
    AlreadyAnswered,
}

/// The reason why [`Driver::accept`](crate::Driver::accept) returned no response.
// Exhaustive: it is either the peer's fault or the caller's. Its parts can grow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// The request is refused: send [`HandshakeError::to_response`].
    #[error(transparent)]
    Refused(#[from] HandshakeError),
    /// There is no request, or it was answered already.
    #[error(transparent)]
    Usage(#[from] UsageError),
}

impl AcceptError {
    /// Returns the status of the response: that of the refusal, or 500 for a mistake of the caller.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Refused(error) => error.status(),
            Self::Usage(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Returns the response to send, as [`HandshakeError::to_response`] does.
    pub fn to_response(&self) -> Response<String> {
        match self {
            Self::Refused(error) => error.to_response(),
            Self::Usage(error) => text_response(self.status(), error),
        }
    }
}
