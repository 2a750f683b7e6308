//! Sends the queue of a slow member when its connection has room again.

use std::sync::Arc;

use tower_websocket::PreparedMessage;

use super::super::queue::Entry;
use super::Shared;
use super::{Outcome, Subscriber};
use crate::publication::Delivery;
use crate::sync::lock;

/// The number of messages that are sent before others can be queued or dropped.
const BATCH: usize = 64;

/// The state of a queue after sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pumped {
    /// The queue is empty, so messages are sent directly again.
    Drained,
    /// The output of the connection is full.
    Waiting,
    /// The connection is gone.
    Gone,
}

impl Subscriber {
    /// Sends a newly created queue, and leaves the rest to a task.
    pub(super) fn begin_drain(self: &Arc<Self>, shared: &Arc<Shared>) {
        if self.pump(shared) == Pumped::Waiting {
            self.spawn_drain(shared);
        }
    }

    /// Starts the task that sends the queue. There is one at a time, from the creation of the queue
    /// until it is dropped.
    pub(super) fn spawn_drain(self: &Arc<Self>, shared: &Arc<Shared>) {
        let (subscriber, shared_by_task) = (self.clone(), shared.clone());
        let drain = shared.runtime.spawn(async move {
            loop {
                if !subscriber.outlet.ready().await {
                    return subscriber.leave_all(&shared_by_task);
                }
                if subscriber.pump(&shared_by_task) != Pumped::Waiting {
                    return;
                }
                // Others may use up the room again and again.
                tokio::task::yield_now().await;
            }
        });
        let drain = drain.abort_handle();
        match &mut lock(&self.state).pending {
            Some(pending) => pending.set_drain(drain),
            None => drain.abort(),
        }
    }

    /// Sends the queue. Called by one task at a time.
    fn pump(self: &Arc<Self>, shared: &Arc<Shared>) -> Pumped {
        loop {
            let mut state = lock(&self.state);
            let Some(pending) = &mut state.pending else {
                return Pumped::Gone;
            };
            let entries = pending.take(BATCH);
            if entries.is_empty() {
                state.pending = None;
                return Pumped::Drained;
            }
            drop(state);
            let messages: Vec<&PreparedMessage> =
                entries.iter().filter_map(|entry| shared.prepared(&entry.message)).collect();
            let Some(sent) = self.send_all(shared, &messages, None) else {
                self.leave_all(shared);
                return Pumped::Gone;
            };
            if sent < messages.len() {
                return self.put_back(shared, entries.into_iter().skip(sent));
            }
        }
    }

    fn put_back(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        entries: impl DoubleEndedIterator<Item = Entry<Arc<Delivery>>>,
    ) -> Pumped {
        let mut outcome = Outcome::default();
        let mut state = lock(&self.state);
        let Some(mut pending) = state.pending.take() else {
            return Pumped::Gone;
        };
        let restored = pending.restore(entries, |id| state.rule(id, &shared.settings));
        state.pending = Some(pending);
        match restored {
            Ok(all_dropped) => {
                for (id, dropped) in all_dropped {
                    state.note_dropped(id, dropped, &mut outcome);
                }
            }
            Err(too_slow) => state.note_too_slow(too_slow, &mut outcome),
        }
        drop(state);
        let is_gone = outcome.too_slow.is_some();
        self.conclude(shared, outcome);
        if is_gone { Pumped::Gone } else { Pumped::Waiting }
    }
}
