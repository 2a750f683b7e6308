/// Why the head of an HTTP message could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The head is longer than [`Config::max_head_size`](crate::Config::max_head_size).
    #[error("the head of the message exceeds {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The head has more fields than [`Config::max_headers`](crate::Config::max_headers).
    #[error("the message has more than {limit} header fields")]
    TooManyHeaders {
        /// The limit.
        limit: usize,
    },
    /// The bytes are no HTTP/1 head (RFC 9112 §2).
    #[error("the message is malformed")]
    Malformed,
}
