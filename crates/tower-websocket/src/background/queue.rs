//! The queue of a background task. It needs no runtime, so that a model checker can run it.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Wake, Waker};

use crate::sync::{AtomicBool, Mutex, lock};

/// The jobs of a task, in the order in which they arrived.
pub(crate) struct Queue<E>(Mutex<State<E>>);

/// Work for the task.
pub(crate) enum Job<E> {
    /// A new entry.
    Added(E),
    /// The key of an entry that was woken.
    Woken(usize),
}

struct State<E> {
    jobs: VecDeque<Job<E>>,
    task: Option<Waker>,
    /// Whether the task was woken and has not taken the jobs yet.
    is_notified: bool,
    is_closed: bool,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self(Mutex::new(State { jobs: VecDeque::new(), task: None, is_notified: false, is_closed: false }))
    }
}

impl<E> State<E> {
    fn notify(&mut self) {
        if !mem::replace(&mut self.is_notified, true)
            && let Some(task) = &self.task
        {
            task.wake_by_ref();
        }
    }
}

impl<E> Queue<E> {
    /// Adds an entry, or returns it if the queue is closed.
    pub(crate) fn push(&self, entry: E) -> Result<(), E> {
        let mut state = lock(&self.0);
        if state.is_closed {
            return Err(entry);
        }
        state.jobs.push_back(Job::Added(entry));
        state.notify();
        Ok(())
    }

    /// Wakes the task.
    pub(crate) fn wake(&self) {
        lock(&self.0).notify();
    }

    /// Appends all jobs to `jobs`, and has `task` woken when more arrive.
    pub(crate) fn take(&self, task: &Waker, jobs: &mut VecDeque<Job<E>>) {
        let mut state = lock(&self.0);
        if !state.task.as_ref().is_some_and(|waker| waker.will_wake(task)) {
            state.task = Some(task.clone());
        }
        state.is_notified = false;
        if jobs.is_empty() {
            mem::swap(jobs, &mut state.jobs);
        } else {
            jobs.append(&mut state.jobs);
        }
    }

    /// Refuses further entries, and returns the remaining jobs.
    pub(crate) fn close(&self) -> VecDeque<Job<E>> {
        let mut state = lock(&self.0);
        state.is_closed = true;
        let (task, jobs) = (state.task.take(), mem::take(&mut state.jobs));
        drop(state);
        // Dropped without the lock, since it may be the last reference to the task.
        drop(task);
        jobs
    }

    /// Closes the queue if it is empty. Returns whether it is closed.
    pub(crate) fn close_if_empty(&self) -> bool {
        let mut state = lock(&self.0);
        state.is_closed |= state.jobs.is_empty();
        state.is_closed
    }

    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.0).is_closed
    }

    fn wake_entry(&self, key: usize) {
        let mut state = lock(&self.0);
        if !state.is_closed {
            state.jobs.push_back(Job::Woken(key));
            state.notify();
        }
    }
}

/// The waker of one entry. Between two calls of [`begin_poll`](Self::begin_poll) it queues its key
/// at most once.
pub(crate) struct EntryWaker<E> {
    queue: Arc<Queue<E>>,
    key: usize,
    is_queued: AtomicBool,
}

impl<E> EntryWaker<E> {
    pub(crate) fn new(queue: Arc<Queue<E>>, key: usize) -> Self {
        Self { queue, key, is_queued: AtomicBool::new(false) }
    }

    pub(crate) fn key(&self) -> usize {
        self.key
    }

    /// Must be called before the entry is polled, so that a wake-up during the poll queues it
    /// again.
    pub(crate) fn begin_poll(&self) {
        self.is_queued.store(false, Ordering::SeqCst);
    }
}

impl<E: Send + 'static> Wake for EntryWaker<E> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::SeqCst) {
            self.queue.wake_entry(self.key);
        }
    }
}
