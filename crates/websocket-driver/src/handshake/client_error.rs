use crate::handshake::url::UrlError;

/// The reason why [`Driver::client`](crate::Driver::client) failed.
// Exhaustive: runtimes convert it into their own errors completely. Its members are extensible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The URL is not a valid WebSocket URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A subprotocol of the configuration is not a token, or is listed twice (RFC 6455 §4.1).
    #[error("invalid or duplicate subprotocol {0:?}")]
    Subprotocol(String),
}
