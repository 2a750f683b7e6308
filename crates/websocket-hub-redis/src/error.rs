use redis::RedisError;

/// The URL of a Redis server is invalid, or needs the feature `tls`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("invalid Redis URL")]
pub struct InvalidUrl(#[source] pub(crate) RedisError);

/// An operation has failed. It is the [`source`](std::error::Error::source) of a
/// [`BackendError`](websocket_hub::BackendError).
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RedisBackendError {
    /// There is no connection, and no new one can be made.
    #[error("cannot connect to Redis")]
    Connect(#[source] RedisError),
    /// Redis refused a command, or the connection was lost before the reply arrived.
    #[error("command to Redis failed")]
    Command(#[source] RedisError),
    /// The connection that receives messages was lost, and was not available again in time.
    #[error("not connected to Redis")]
    Disconnected,
    /// Redis sent a reply that this crate does not understand.
    #[error("unexpected reply from Redis")]
    UnexpectedReply,
    /// Not all nodes have reported their members in time.
    #[error("nodes did not report their members: {answered} of {nodes} did")]
    SilentNodes {
        /// The number of nodes that did.
        answered: usize,
        /// The number of nodes.
        nodes: usize,
    },
}
