//! Background work: one task per runtime thread that has opened or written to connections.
//!
//! No socket has a task. What must happen although nobody polls a socket is done by the task of the thread that asked for
//! it, which tokio may move to another thread like any other task:
//!
//! - [`flusher`] drives connections that have something left to do: replies held back to leave in one write, messages of
//!   [`try_send`](crate::WebSocketSender::try_send), output that the transport did not take, the deadline of a closing
//!   handshake, and the last bytes of sockets that were dropped. A connection is queued at most once. Only entries that are
//!   new or were woken are polled, each with a waker of its own, and the task gives way before tokio's cooperative budget
//!   is used up.
//! - [`ticker`] looks at open connections a few times within their shortest timeout, for keepalive pings, idle timeouts and
//!   peers that stopped reading.
//!
//! The task ends with its runtime, when it has had connections to look at and there is none left, or when its thread has ended
//! and it has nothing left to do. Connections that were queued are released then, so that another runtime can drive
//! them. A panic in one entry drops that entry alone.

pub(crate) mod flusher;
pub(crate) mod queue;
pub(crate) mod ticker;

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use tokio::runtime::{self, Handle};

use self::flusher::{Drive, Flusher};
use self::queue::Queue;
use self::ticker::Ticker;

thread_local! {
    /// The workers of this thread, which may run one runtime after another, or one within another.
    static WORKERS: RefCell<Local> = const { RefCell::new(Local(Vec::new())) };
}

struct Local(Vec<Arc<Worker>>);

impl Drop for Local {
    fn drop(&mut self) {
        for worker in &self.0 {
            worker.is_orphaned.store(true, Ordering::Relaxed);
            worker.queue.wake();
        }
    }
}

/// The handle of a background task.
pub(crate) struct Worker {
    runtime: runtime::Id,
    queue: Arc<Queue<Arc<dyn Drive>>>,
    ticker: Ticker,
    /// The thread has ended.
    is_orphaned: AtomicBool,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("runtime", &self.runtime).finish_non_exhaustive()
    }
}

impl Worker {
    /// Returns the worker of this thread and runtime, which is started if need be; `None` outside of a runtime.
    pub(crate) fn current() -> Option<Arc<Self>> {
        let runtime = Handle::try_current().ok()?;
        WORKERS.try_with(|local| local.borrow_mut().worker(&runtime)).ok()
    }

    /// As [`current`](Self::current), also on a thread that is ending.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    fn current_or_new() -> Arc<Self> {
        Self::current().unwrap_or_else(|| Self::spawn(&Handle::current()))
    }

    fn spawn(runtime: &Handle) -> Arc<Self> {
        let worker = Arc::new(Self {
            runtime: runtime.id(),
            queue: Arc::new(Queue::default()),
            ticker: Ticker::default(),
            is_orphaned: AtomicBool::new(false),
        });
        runtime.spawn(run(Flusher::new(worker.queue.clone()), worker.clone()));
        worker
    }

    fn is_running(&self) -> bool {
        !self.queue.is_closed()
    }
}

impl Local {
    fn worker(&mut self, runtime: &Handle) -> Arc<Worker> {
        let id = runtime.id();
        if let Some(worker) = self.0.iter().find(|worker| worker.runtime == id)
            && worker.is_running()
        {
            return worker.clone();
        }
        self.0.retain(|worker| worker.is_running());
        let worker = Worker::spawn(runtime);
        self.0.push(worker.clone());
        worker
    }
}

/// Has a connection driven by the task of this thread, or by that of `home` if this thread has no runtime. Returns whether
/// there is one.
pub(crate) fn enqueue(mut connection: Arc<dyn Drive>, home: Option<&Arc<Worker>>) -> bool {
    // A worker may end between the look-up and the push.
    for _ in 0..2 {
        let Some(worker) = Worker::current().or_else(|| home.cloned()) else {
            return false;
        };
        match worker.queue.push(connection) {
            Ok(()) => return true,
            Err(refused) => connection = refused,
        }
    }
    false
}

/// The task.
async fn run(mut flusher: Flusher, worker: Arc<Worker>) {
    let _closing = Closing(&worker.ticker);
    let mut ticking = pin!(worker.ticker.run());
    poll_fn(|cx| {
        flusher.poll(cx);
        // It never ends.
        let _ = ticking.as_mut().poll(cx);
        let may_end = worker.is_orphaned.load(Ordering::Relaxed) || worker.ticker.has_rested();
        if may_end && flusher.is_empty() && worker.ticker.close_if_empty(&worker.queue) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// With the runtime, or at the end of the task: nothing is registered any more. [`Flusher`] does the same for the queue.
struct Closing<'a>(&'a Ticker);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
