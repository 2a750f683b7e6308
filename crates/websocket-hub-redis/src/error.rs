use redis::RedisError;

/// The URL of a Redis server is invalid, or needs the feature `tls`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("invalid Redis URL")]
pub struct InvalidUrl(#[source] pub(crate) RedisError);

/// The certificates for TLS are invalid, or were set for a URL without TLS.
#[derive(Debug, Clone, thiserror::Error)]
#[error("invalid TLS configuration for Redis")]
pub struct InvalidTls(#[source] pub(crate) RedisError);

/// A failed operation: the [`source`](std::error::Error::source) of a
/// [`BackendError`](websocket_hub::BackendError).
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RedisBackendError {
    /// There is no connection, and connecting failed.
    #[error("cannot connect to Redis")]
    Connect(#[source] RedisError),
    /// Redis rejected a command, or the connection was lost before the reply was received.
    #[error("command to Redis failed")]
    Command(#[source] RedisError),
    /// The connection that receives messages was lost, and was not restored in time.
    #[error("not connected to Redis")]
    Disconnected,
    /// Redis sent an invalid reply.
    #[error("unexpected reply from Redis")]
    UnexpectedReply,
    /// Some nodes did not report their members in time.
    #[error("nodes did not report their members: {answered} of {nodes} did")]
    SilentNodes {
        /// The number of nodes that did report.
        answered: usize,
        /// The number of nodes.
        nodes: usize,
    },
}
