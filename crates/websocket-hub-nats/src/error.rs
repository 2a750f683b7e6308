//! One error for starting, one for what is asked of the server later. Both are causes of a
//! [`BackendError`](websocket_hub::BackendError).

use std::io;
use std::time::Duration;

/// A [`Nats`](crate::Nats) backend could not be created.
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

/// The backend could not do what the hub has asked for: the source of a
/// [`BackendError`](websocket_hub::BackendError).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NatsBackendError {
    /// There is no connection at the start.
    #[error("connection to the NATS server failed")]
    Connect(#[source] async_nats::ConnectError),
    /// The prefix of the subjects is empty, longer than 255 bytes, or not made of tokens that NATS
    /// allows in a subject.
    #[error("invalid prefix for NATS subjects")]
    Prefix,
    /// The backend was given to another hub before.
    #[error("the backend belongs to another hub")]
    AlreadyStarted,
    /// The hub has not started the backend, or was dropped.
    #[error("the backend is not running")]
    NotRunning,
    /// The topic does not fit into a subject.
    #[error("topic too long for a NATS subject: {len} bytes encoded, limit {limit}")]
    TopicTooLong {
        /// The length of the topic as a part of the subject, in which most characters other than
        /// ASCII letters and digits take three bytes for each byte.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// The client has refused the message: it is larger than `max_payload` of the server, for
    /// example.
    #[error("the NATS client refused the message")]
    Publish(#[source] async_nats::PublishError),
    /// The client has refused the subscription.
    #[error("the NATS client refused the subscription")]
    Subscribe(#[source] async_nats::SubscribeError),
    /// The connection was lost before the server has confirmed. The server may have the message
    /// nevertheless.
    #[error("the connection to the NATS server was lost")]
    Disconnected,
    /// The server has not confirmed in time. It may have the message nevertheless.
    #[error("no confirmation from the NATS server within {0:?}")]
    TimedOut(Duration),
}
