//! Drives connections that have something left to do although nobody waits for it.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use slab::Slab;
use tokio::task::{coop, yield_now};

use super::queue::{EntryWaker, Job, Queue};

/// The entries polled before other tasks have their turn. Most need one system call.
const TURN: usize = 100;

/// A connection that can be driven.
pub(crate) trait Drive: Send + Sync {
    /// Does what is left to do. `Pending` if that needs another poll, for which the waker is registered.
    fn poll_drive(self: Arc<Self>, cx: &mut Context<'_>) -> Poll<()>;

    /// Called if the connection will no longer be driven although it is not done: its runtime has ended, or it panicked.
    fn release(&self);
}

type Connection = Arc<dyn Drive>;
type ConnectionWaker = Arc<EntryWaker<Connection>>;

/// The task's side of the queue.
pub(super) struct Flusher {
    queue: Arc<Queue<Connection>>,
    jobs: VecDeque<Job<Connection>>,
    pending: Slab<(Connection, ConnectionWaker)>,
    /// A waker that nobody else has a copy of, for the next entry.
    spare: Option<ConnectionWaker>,
}

impl Flusher {
    pub(super) fn new(queue: Arc<Queue<Connection>>) -> Self {
        Self { queue, jobs: VecDeque::new(), pending: Slab::new(), spare: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.pending.is_empty()
    }

    /// Polls what is new or was woken.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        self.queue.take(cx.waker(), &mut self.jobs);
        for _ in 0..TURN {
            // Without budget every transport would seem to be full.
            if !coop::has_budget_remaining() {
                break;
            }
            match self.jobs.pop_front() {
                Some(Job::Added(connection)) => self.poll_added(connection),
                Some(Job::Woken(key)) => self.poll_woken(key),
                // The room that many connections needed at once is not kept.
                None => return self.jobs.shrink_to(TURN),
            }
        }
        // Not `wake_by_ref`, which would run this task again before the runtime has looked at its sockets and timers.
        let _ = pin!(yield_now()).poll(cx);
    }

    fn poll_added(&mut self, connection: Connection) {
        let vacant = self.pending.vacant_entry();
        let key = vacant.key();
        let waker = match self.spare.take() {
            Some(waker) if waker.key() == key => waker,
            _ => Arc::new(EntryWaker::new(self.queue.clone(), key)),
        };
        if poll(&connection, &waker).is_pending() {
            vacant.insert((connection, waker));
        } else if Arc::strong_count(&waker) == 1 {
            self.spare = Some(waker);
        }
    }

    fn poll_woken(&mut self, key: usize) {
        // An entry that is gone may have left a waker behind.
        if let Some((connection, waker)) = self.pending.get(key)
            && poll(connection, waker).is_ready()
        {
            self.pending.remove(key);
        }
    }
}

fn poll(connection: &Connection, waker: &ConnectionWaker) -> Poll<()> {
    waker.begin_poll();
    let std_waker = Waker::from(waker.clone());
    let mut cx = Context::from_waker(&std_waker);
    catch_unwind(AssertUnwindSafe(|| connection.clone().poll_drive(&mut cx))).unwrap_or_else(|_| {
        connection.release();
        Poll::Ready(())
    })
}

/// With the runtime, or at the end of the task.
impl Drop for Flusher {
    fn drop(&mut self) {
        self.jobs.append(&mut self.queue.close());
        let added = self.jobs.drain(..).filter_map(|job| match job {
            Job::Added(connection) => Some(connection),
            Job::Woken(_) => None,
        });
        for connection in added.chain(self.pending.drain().map(|(connection, _)| connection)) {
            connection.release();
        }
    }
}
