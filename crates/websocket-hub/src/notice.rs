//! Notices to a member in addition to its messages.

use std::sync::Arc;
use std::task::Waker;

/// A notice for a member's handler. Messages are written to the socket by the hub itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// Messages were dropped because the peer reads too slowly, according to the subscription's
    /// [`Overflow`](crate::Overflow).
    Lagged {
        /// The topic of the messages.
        topic: Arc<str>,
        /// The number of messages since the last notice.
        missed: u64,
    },
    /// Messages may have been lost on the way to this node, for example while the backend was
    /// disconnected.
    Gap {
        /// The topic of the messages.
        topic: Arc<str>,
    },
}

/// The notices that were not read yet: at most one of each kind per topic.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    pending: Vec<Notice>,
    waker: Option<Waker>,
}

impl Notices {
    /// Adds to the number of missed messages of a topic. Returns the waker of the handler, which
    /// must be called without a lock, since it is code of the application.
    pub(crate) fn lag(&mut self, topic: &Arc<str>, count: u64) -> Option<Waker> {
        let known = self.pending.iter_mut().find_map(|notice| match notice {
            Notice::Lagged { topic: of, missed } if of == topic => Some(missed),
            _ => None,
        });
        match known {
            Some(missed) => *missed += count,
            None => self.pending.push(Notice::Lagged { topic: topic.clone(), missed: count }),
        }
        self.waker.take()
    }

    pub(crate) fn gap(&mut self, topic: &Arc<str>) -> Option<Waker> {
        let gap = Notice::Gap { topic: topic.clone() };
        if !self.pending.contains(&gap) {
            self.pending.push(gap);
        }
        self.waker.take()
    }

    /// Removes and returns the oldest notice.
    pub(crate) fn pop(&mut self) -> Option<Notice> {
        if self.pending.is_empty() { None } else { Some(self.pending.remove(0)) }
    }

    /// Drops the notices of a topic, so that there are no more notices than subscriptions.
    pub(crate) fn forget(&mut self, topic: &str) {
        self.pending.retain(|notice| match notice {
            Notice::Lagged { topic: of, .. } | Notice::Gap { topic: of } => **of != *topic,
        });
    }

    pub(crate) fn register(&mut self, waker: &Waker) {
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
    }
}
