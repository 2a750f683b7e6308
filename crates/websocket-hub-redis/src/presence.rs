//! Queries to all nodes for the number of members of a topic.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use websocket_hub::backend::Presence;

use crate::control::Answer;
use crate::error::RedisBackendError;
use crate::sync::lock;

/// The timeout for the responses of all nodes.
const PATIENCE: Duration = Duration::from_secs(1);

/// The maximum number of nodes that are counted.
const MAX_NODES: usize = 1024;

/// The pending queries of this node.
#[derive(Debug, Default)]
pub(crate) struct Questions(Mutex<HashMap<u64, mpsc::Sender<u64>>>);

/// A query, which ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    questions: &'a Questions,
    pub(crate) id: u64,
    asked: Instant,
    answers: mpsc::Receiver<u64>,
}

impl Questions {
    pub(crate) fn ask(&self) -> Question<'_> {
        let (sender, answers) = mpsc::channel(MAX_NODES);
        let id = rand::random();
        lock(&self.0).insert(id, sender);
        Question { questions: self, id, asked: Instant::now(), answers }
    }

    /// Forwards a response if its query is still pending.
    pub(crate) fn answered(&self, answer: Answer) {
        if let Some(question) = lock(&self.0).get(&answer.question) {
            let _ = question.try_send(answer.members);
        }
    }
}

impl Question<'_> {
    /// Waits until this number of nodes has responded.
    pub(crate) async fn answers(mut self, nodes: usize) -> Result<Presence, RedisBackendError> {
        let (mut members, mut nodes_with_members) = (0_usize, 0);
        for answered in 0..nodes {
            let Ok(Some(answer)) = timeout_at(self.asked + PATIENCE, self.answers.recv()).await else {
                return Err(RedisBackendError::SilentNodes { answered, nodes });
            };
            members = members.saturating_add(usize::try_from(answer).unwrap_or(usize::MAX));
            nodes_with_members += usize::from(answer > 0);
        }
        // No response is older than the query.
        Ok(Presence::new(members, nodes_with_members, self.asked.elapsed()))
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        lock(&self.questions.0).remove(&self.id);
    }
}
