//! The background task, modelled after `background/flusher.rs`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use shuttle::sync::atomic::Ordering;

use crate::connection::{Fault, Shared};
use crate::queue::{EntryWaker, Job, Queue};
use crate::sync::AtomicBool;

/// The handle of the task.
#[derive(Default)]
pub(crate) struct Worker {
    pub(crate) queue: Arc<Queue<Arc<Shared>>>,
    /// The task ends when no work is left.
    may_end: AtomicBool,
    /// The task ends now, like with its runtime.
    must_end: AtomicBool,
}

impl Worker {
    pub(crate) fn end_when_idle(&self) {
        self.may_end.store(true, Ordering::Relaxed);
        self.queue.wake();
    }

    pub(crate) fn end_now(&self) {
        self.must_end.store(true, Ordering::Relaxed);
        self.queue.wake();
    }

    pub(crate) async fn run(self: Arc<Self>) {
        let mut flusher =
            Flusher { worker: self.clone(), jobs: VecDeque::new(), pending: BTreeMap::new(), next_key: 0 };
        poll_fn(|cx| {
            if self.must_end.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            flusher.poll(cx);
            // Checked again, since the task is woken when these change.
            if self.must_end.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            let may_end = self.may_end.load(Ordering::Relaxed);
            if may_end && flusher.pending.is_empty() && self.queue.close_if_empty() {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }
}

type Entry = (Arc<Shared>, Arc<EntryWaker<Arc<Shared>>>);

struct Flusher {
    worker: Arc<Worker>,
    jobs: VecDeque<Job<Arc<Shared>>>,
    /// Unlike in the library, keys are not reused, so that each wake-up belongs to one entry.
    pending: BTreeMap<usize, Entry>,
    next_key: usize,
}

impl Flusher {
    fn poll(&mut self, cx: &mut Context<'_>) {
        self.worker.queue.take(cx.waker(), &mut self.jobs);
        let mut woken = BTreeSet::new();
        for job in &self.jobs {
            assert!(!matches!(job, Job::Woken(key) if !woken.insert(*key)), "an entry is queued twice");
        }
        while let Some(job) = self.jobs.pop_front() {
            match job {
                Job::Added(connection) => {
                    let waker = Arc::new(EntryWaker::new(self.worker.queue.clone(), self.next_key));
                    if self.poll_entry(&connection, &waker).is_pending() {
                        self.pending.insert(waker.key(), (connection, waker));
                    }
                    self.next_key += 1;
                }
                Job::Woken(key) => {
                    if let Some((connection, waker)) = self.pending.remove(&key)
                        && self.poll_entry(&connection, &waker).is_pending()
                    {
                        self.pending.insert(key, (connection, waker));
                    }
                }
            }
        }
    }

    fn poll_entry(&self, connection: &Arc<Shared>, waker: &Arc<EntryWaker<Arc<Shared>>>) -> Poll<()> {
        let is_late = connection.fault == Fault::BeginPollLate;
        if !is_late {
            waker.begin_poll();
        }
        let std_waker = Waker::from(waker.clone());
        let driven = connection.lock(&self.worker).poll_drive(&mut Context::from_waker(&std_waker));
        if is_late {
            waker.begin_poll();
        }
        driven
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.jobs.append(&mut self.worker.queue.close());
        let added = self.jobs.drain(..).filter_map(|job| match job {
            Job::Added(connection) => Some(connection),
            Job::Woken(_) => None,
        });
        let pending = std::mem::take(&mut self.pending).into_values().map(|(connection, _)| connection);
        for connection in added.chain(pending) {
            connection.release(&self.worker);
        }
    }
}
