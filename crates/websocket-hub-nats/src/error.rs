//! Errors of creating a backend, and of its operations. Both are sources of a
//! [`BackendError`](websocket_hub::BackendError).

use std::io;
use std::time::Duration;

/// The reason why a [`Nats`](crate::Nats) backend could not be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The address of a server is malformed.
    #[error("invalid address of a NATS server")]
    Address(#[source] io::Error),
    /// There is no address.
    #[error("no address of a NATS server")]
    NoAddress,
}

/// A failed operation: the source of a [`BackendError`](websocket_hub::BackendError).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NatsBackendError {
    /// The initial connection failed.
    #[error("connection to the NATS server failed")]
    Connect(#[source] async_nats::ConnectError),
    /// The prefix of the subjects is empty, longer than 255 bytes, or contains tokens that NATS
    /// does not allow in subjects.
    #[error("invalid prefix for NATS subjects")]
    Prefix,
    /// The backend was already passed to another hub.
    #[error("backend belongs to another hub")]
    AlreadyStarted,
    /// The hub has not started the backend, or was dropped.
    #[error("backend is not running")]
    NotRunning,
    /// The topic is too long for a subject.
    #[error("topic too long for a NATS subject: {len} bytes encoded, limit {limit}")]
    TopicTooLong {
        /// The length in bytes of the encoded topic, in which most characters other than ASCII
        /// letters and digits take three bytes per byte.
        len: usize,
        /// The maximum length in bytes.
        limit: usize,
    },
    /// The client rejected the message, for example because it is larger than `max_payload` of the
    /// server.
    #[error("message refused by the NATS client")]
    Publish(#[source] async_nats::PublishError),
    /// The client rejected the subscription.
    #[error("subscription refused by the NATS client")]
    Subscribe(#[source] async_nats::SubscribeError),
    /// The connection was lost before the server confirmed. The server may have the message
    /// nevertheless.
    #[error("connection to the NATS server was lost")]
    Disconnected,
    /// The server did not confirm in time. It may have the message nevertheless.
    #[error("no confirmation from the NATS server within {0:?}")]
    TimedOut(Duration),
}
