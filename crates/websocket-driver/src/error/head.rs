use crate::error::limit::{Limit, LimitExceeded};

/// The reason why the head of an HTTP message cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The head is longer than [`Config::max_head_size`](crate::Config::max_head_size).
    #[error("HTTP head exceeds {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The head has more fields than [`Config::max_headers`](crate::Config::max_headers).
    #[error("HTTP head has more than {limit} header fields")]
    TooManyHeaders {
        /// The limit.
        limit: usize,
    },
    /// The bytes are not an HTTP/1 head (RFC 9112 §2).
    #[error("malformed HTTP head")]
    Malformed,
}

impl HeadError {
    /// Returns the limit that was exceeded, if any.
    #[must_use]
    pub fn exceeded(&self) -> Option<LimitExceeded> {
        let (limit, max) = match *self {
            Self::TooLarge { limit } => (Limit::HeadSize, limit as u64),
            Self::TooManyHeaders { limit } => (Limit::Headers, limit as u64),
            Self::Malformed => return None,
        };
        Some(LimitExceeded::by_one(limit, max))
    }
}
