//! Queries to all nodes, and their responses. Every response and every query reveals a node, so
//! that the next query is complete as soon as all known nodes have responded.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use tokio::sync::oneshot;

use crate::sync::lock;

/// The maximum number of known nodes.
const MAX_NODES: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Gathering(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    nodes: HashSet<u64>,
    /// The number of the last query. 0 is the number of queries whose responses only reveal nodes.
    last: u64,
    open: HashMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    /// The known nodes that have not responded yet.
    missing: HashSet<u64>,
    responded: HashSet<u64>,
    figures: Figures,
    complete: Option<oneshot::Sender<()>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) members: u64,
    /// The number of nodes with at least one member.
    pub(crate) nodes: usize,
}

/// A query, which is closed when it is dropped.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    gathering: &'a Gathering,
    pub(crate) number: u64,
    complete: oneshot::Receiver<()>,
}

impl Gathering {
    /// Opens a query to all known nodes.
    pub(crate) fn open(&self) -> Question<'_> {
        let state = &mut *lock(&self.0);
        state.last += 1;
        let (sender, complete) = oneshot::channel();
        let open = Open {
            missing: state.nodes.clone(),
            responded: HashSet::new(),
            figures: Figures::default(),
            complete: Some(sender),
        };
        state.open.insert(state.last, open);
        Question { gathering: self, number: state.last, complete }
    }

    /// Records a node. Returns `false` if there are too many.
    pub(crate) fn meet(&self, node: u64) -> bool {
        lock(&self.0).meet(node)
    }

    /// Records a response.
    pub(crate) fn answer(&self, node: u64, number: u64, members: u64) {
        let state = &mut *lock(&self.0);
        if !state.meet(node) {
            return;
        }
        let Some(open) = state.open.get_mut(&number) else { return };
        // A node that responds twice is counted once.
        if !open.responded.insert(node) {
            return;
        }
        open.missing.remove(&node);
        open.figures.members = open.figures.members.saturating_add(members);
        open.figures.nodes += usize::from(members > 0);
        if open.missing.is_empty()
            && let Some(complete) = open.complete.take()
        {
            // If no task waits, the query is about to be closed.
            let _ = complete.send(());
        }
    }
}

impl State {
    fn meet(&mut self, node: u64) -> bool {
        self.nodes.len() < MAX_NODES && self.nodes.insert(node) || self.nodes.contains(&node)
    }
}

impl Question<'_> {
    /// Waits until all known nodes have responded.
    pub(crate) async fn complete(&mut self) {
        // The sender is dropped with the query.
        let _ = (&mut self.complete).await;
    }

    /// Returns the totals. Nodes that have not responded are forgotten. Returns `None` if `node` is
    /// one of them.
    pub(crate) fn close(self, node: u64) -> Option<Figures> {
        let state = &mut *lock(&self.gathering.0);
        let open = state.open.remove(&self.number)?;
        state.nodes.retain(|known| *known == node || !open.missing.contains(known));
        (!open.missing.contains(&node)).then_some(open.figures)
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        lock(&self.gathering.0).open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn gathering() -> Gathering {
        let gathering = Gathering::default();
        for node in [1, 2] {
            assert!(gathering.meet(node));
        }
        gathering
    }

    #[test]
    fn question_is_complete_when_all_known_nodes_have_answered() {
        let gathering = gathering();
        let mut question = gathering.open();
        gathering.answer(1, question.number, 5);
        gathering.answer(1, question.number, 5);
        // A node that was not known counts as well, whatever reveals it first.
        gathering.answer(3, question.number, 2);
        gathering.answer(3, question.number, 2);
        gathering.answer(4, 0, 9);
        gathering.answer(4, question.number, 1);
        assert!(question.complete().now_or_never().is_none());
        gathering.answer(2, question.number, 0);
        assert!(question.complete().now_or_never().is_some());
        assert_eq!(question.close(1), Some(Figures { members: 8, nodes: 3 }));
    }

    #[test]
    fn node_that_does_not_answer_is_forgotten() {
        let gathering = gathering();
        let question = gathering.open();
        gathering.answer(1, question.number, 5);
        assert_eq!(question.close(1), Some(Figures { members: 5, nodes: 1 }));
        let mut question = gathering.open();
        gathering.answer(1, question.number, 5);
        assert!(question.complete().now_or_never().is_some());
    }

    #[test]
    fn own_node_must_answer() {
        let gathering = gathering();
        let question = gathering.open();
        gathering.answer(2, question.number, 1);
        assert_eq!(question.close(1), None);
        assert!(lock(&gathering.0).nodes.contains(&1), "and is not forgotten");
    }

    #[test]
    fn nothing_is_kept_of_questions_and_too_many_nodes() {
        let gathering = gathering();
        drop(gathering.open());
        gathering.answer(1, 1, 5);
        for node in 0..20_000 {
            gathering.answer(node, 0, 1);
        }
        let state = lock(&gathering.0);
        assert_eq!((state.open.len(), state.nodes.len()), (0, MAX_NODES));
    }
}
