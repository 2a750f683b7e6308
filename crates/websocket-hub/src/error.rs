//! One error type per operation of a hub.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use tower_websocket::SendError;

/// The error of an invalid topic name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// The name is empty.
    #[error("empty topic name")]
    Empty,
    /// The name is longer than [`HubConfig::max_topic_len`](crate::HubConfig::max_topic_len).
    #[error("topic name too long: {len} bytes, limit {limit}")]
    TooLong {
        /// The length of the name.
        len: usize,
        /// The limit.
        limit: usize,
    },
}

/// The error of publishing a message.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The name of the topic is invalid.
    #[error("invalid topic")]
    Topic(#[from] TopicError),
    /// The backend refused the message, or could not be reached.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// The error of subscribing a member.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The name of the topic is invalid.
    #[error("invalid topic")]
    Topic(#[from] TopicError),
    /// The member is already subscribed to the topic.
    #[error("already subscribed to the topic")]
    AlreadySubscribed,
    /// The member has [`HubConfig::max_topics_per_member`](crate::HubConfig::max_topics_per_member)
    /// subscriptions.
    #[error("too many topics for a member: limit {0}")]
    TooManyTopics(usize),
    /// There are [`HubConfig::max_topics`](crate::HubConfig::max_topics) topics with members.
    #[error("too many topics in the hub: limit {0}")]
    HubFull(usize),
    /// The member's connection is closed, possibly because it was too slow.
    #[error("connection is closed")]
    Closed,
    /// The backend could not subscribe, or could not read the history.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// The error of closing the connections of a user.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DisconnectError {
    /// The code must not be sent, or the reason is too long.
    #[error("invalid close frame")]
    Close(#[source] Arc<SendError>),
    /// The backend could not forward the request.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// The user has [`HubConfig::max_members_per_user`](crate::HubConfig::max_members_per_user) members
/// on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many connections of the user: limit {limit}")]
pub struct TooManyConnections {
    pub(crate) limit: usize,
}

/// The failure of an operation of a [`Backend`](crate::backend::Backend). The cause is its
/// [`source`](Error::source).
#[derive(Clone)]
pub struct BackendError(Arc<dyn Error + Send + Sync>);

impl BackendError {
    /// Creates an error from its cause.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into().into())
    }
}

impl fmt::Debug for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BackendError").field(&self.0).finish()
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("backend operation failed")
    }
}

impl Error for BackendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// The error of [`Node::catch_up`](crate::backend::Node::catch_up).
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CatchUpError {
    /// The history could not be read.
    #[error(transparent)]
    History(#[from] BackendError),
    /// The hub was dropped.
    #[error(transparent)]
    HubDropped(#[from] HubDropped),
}

/// The hub was dropped, so that its backend has nothing left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("hub was dropped")]
// Exhaustive: a unit struct that tests of backends construct.
pub struct HubDropped;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::DecodeError;
    use crate::position::Position;

    #[test]
    fn error_texts_are_lower_case_without_a_full_stop_or_their_source() {
        let topic = TopicError::TooLong { len: 300, limit: 255 };
        let backend = BackendError::new("connection refused");
        let close = Arc::new(SendError::ReasonTooLong);
        let errors: Vec<Box<dyn Error>> = vec![
            Box::new(topic.clone()),
            Box::new(TopicError::Empty),
            Box::new(PublishError::Topic(topic.clone())),
            Box::new(PublishError::Backend(backend.clone())),
            Box::new(SubscribeError::Topic(topic)),
            Box::new(SubscribeError::AlreadySubscribed),
            Box::new(SubscribeError::TooManyTopics(1)),
            Box::new(SubscribeError::HubFull(1)),
            Box::new(SubscribeError::Closed),
            Box::new(SubscribeError::Backend(backend.clone())),
            Box::new(DisconnectError::Close(close)),
            Box::new(DisconnectError::Backend(backend.clone())),
            Box::new(TooManyConnections { limit: 1 }),
            Box::new(backend),
            Box::new(CatchUpError::History(BackendError::new("connection refused"))),
            Box::new(CatchUpError::HubDropped(HubDropped)),
            Box::new(HubDropped),
            Box::new(DecodeError(())),
            Box::new("".parse::<Position>().unwrap_err()),
        ];
        for error in errors {
            let text = error.to_string();
            assert!(text.starts_with(char::is_lowercase) && !text.ends_with('.'), "{text}");
            if let Some(source) = error.source() {
                assert!(!text.contains(&source.to_string()), "{text}");
            }
        }
    }
}
