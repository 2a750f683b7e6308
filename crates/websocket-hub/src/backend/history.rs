//! Questions to the history of a topic, and the answers.

use std::future::Future;
use std::pin::Pin;

use crate::error::BackendError;
use crate::position::Position;
use crate::publication::Publication;

/// A question to the history of a topic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryQuery {
    /// Asks for everything behind this position.
    pub since: Option<Position>,
    /// Asks for the last messages, at most this number, if there is no [`since`](Self::since) or not everything behind it is kept.
    pub recent: usize,
}

impl HistoryQuery {
    /// Creates a question.
    #[must_use]
    pub fn new(since: Option<Position>, recent: usize) -> Self {
        Self { since, recent }
    }
}

/// The answer of [`Backend::history`](crate::backend::Backend::history).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct History {
    /// The position that the topic had reached when the history was read.
    pub reached: Position,
    /// The messages, the oldest first, none of them behind [`reached`](Self::reached).
    pub messages: Vec<(Position, Publication)>,
    /// `true` if these are all messages behind [`HistoryQuery::since`], and if there is no `since`.
    pub is_complete: bool,
}

impl History {
    /// Creates an answer.
    #[must_use]
    pub fn new(reached: Position, messages: Vec<(Position, Publication)>, is_complete: bool) -> Self {
        Self { reached, messages, is_complete }
    }
}

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The history of a backend, whatever its type.
pub(crate) trait ReadHistory: Send + Sync {
    fn read_history<'a>(&'a self, topic: &'a str, query: HistoryQuery) -> BoxFuture<'a, Result<History, BackendError>>;
}
