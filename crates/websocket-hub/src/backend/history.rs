//! Queries to the history of a topic, and their results.

use std::future::Future;
use std::pin::Pin;

use crate::error::BackendError;
use crate::position::Position;
use crate::publication::Publication;

/// A query to the history of a topic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryQuery {
    /// Requests all messages after this position.
    pub since: Option<Position>,
    /// Requests the most recent messages, at most this number, if [`since`](Self::since) is `None`
    /// or not all messages after it are stored.
    pub recent: usize,
}

impl HistoryQuery {
    /// Creates a query.
    #[must_use]
    pub fn new(since: Option<Position>, recent: usize) -> Self {
        Self { since, recent }
    }
}

/// The result of [`Backend::history`](crate::backend::Backend::history).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct History {
    /// The position that the topic had reached when the history was read.
    pub reached: Position,
    /// The messages, oldest first, none of them after [`reached`](Self::reached).
    pub messages: Vec<(Position, Publication)>,
    /// Whether these are all messages after [`HistoryQuery::since`]; `true` without `since`.
    pub is_complete: bool,
}

impl History {
    /// Creates a result.
    #[must_use]
    pub fn new(reached: Position, messages: Vec<(Position, Publication)>, is_complete: bool) -> Self {
        Self { reached, messages, is_complete }
    }
}

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The type-erased history of a backend.
pub(crate) trait ReadHistory: Send + Sync {
    fn read_history<'a>(&'a self, topic: &'a str, query: HistoryQuery) -> BoxFuture<'a, Result<History, BackendError>>;
}
