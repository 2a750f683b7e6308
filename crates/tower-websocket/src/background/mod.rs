//! Background work: one task per runtime thread that has opened or written to connections.
//!
//! No socket has a task. Work that must be done although no task polls the socket is done by the
//! background task of the thread that requested it. Tokio may move that task to another thread like
//! any other:
//!
//! - [`flusher`] drives connections that have work left: replies held back to leave in one write,
//!   messages of [`try_send`](crate::WebSocketSender::try_send), output that the transport did not
//!   accept, the deadline of a closing handshake, and the last bytes of sockets that were dropped.
//!   A connection is queued at most once. Only entries that are new or were woken are polled, each
//!   with its own waker, and the task yields before tokio's cooperative budget is used up.
//! - [`ticker`] visits open connections several times per shortest timeout, for keepalive pings,
//!   idle timeouts and peers that have stopped reading.
//!
//! The task ends with its runtime, when its last connection is gone, or when its thread has ended
//! and no work is left. Queued connections are then released, so that another runtime can drive
//! them. A panic in one entry only drops that entry.

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
    /// The workers of this thread, which may run several runtimes, one after another or nested.
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
    /// Whether the thread has ended.
    is_orphaned: AtomicBool,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("runtime", &self.runtime).finish_non_exhaustive()
    }
}

impl Worker {
    /// Returns the worker of this thread and runtime, and starts it if necessary. Returns `None`
    /// outside of a runtime.
    pub(crate) fn current() -> Option<Arc<Self>> {
        let runtime = Handle::try_current().ok()?;
        WORKERS.try_with(|local| local.borrow_mut().worker(&runtime)).ok()
    }

    /// Like [`current`](Self::current), but also works on a thread that is ending.
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

    /// Takes the connection, unless the runtime is ending.
    fn push(&mut self, runtime: &Handle, connection: &mut Option<Arc<dyn Drive>>) {
        let id = runtime.id();
        if let Some(worker) = self.0.iter().find(|worker| worker.runtime == id) {
            *connection = connection.take().and_then(|connection| worker.queue.push(connection).err());
        }
        // There is no worker, or it has ended.
        if let Some(refused) = connection.take() {
            *connection = self.worker(runtime).queue.push(refused).err();
        }
    }
}

/// Has a connection driven by the task of this thread, or by that of `home` if this thread has no
/// runtime or one that is ending. Returns whether it was queued.
pub(crate) fn enqueue(connection: Arc<dyn Drive>, home: impl FnOnce() -> Option<Arc<Worker>>) -> bool {
    let mut connection = Some(connection);
    if let Ok(runtime) = Handle::try_current() {
        // Fails on a thread that is ending.
        let _ = WORKERS.try_with(|local| local.borrow_mut().push(&runtime, &mut connection));
    }
    match connection {
        None => true,
        Some(connection) => home().is_some_and(|worker| worker.queue.push(connection).is_ok()),
    }
}

/// The task.
async fn run(mut flusher: Flusher, worker: Arc<Worker>) {
    let _closing = Closing(&worker.ticker);
    let mut ticking = pin!(worker.ticker.run());
    poll_fn(|cx| {
        flusher.poll(cx);
        // `Ticker::run` never returns.
        let _ = ticking.as_mut().poll(cx);
        let may_end = worker.is_orphaned.load(Ordering::Relaxed) || worker.ticker.has_become_empty();
        if may_end && flusher.is_empty() && worker.ticker.close_if_empty(&worker.queue) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Closes the ticker when the runtime or the task ends, so that no connection is registered any
/// more. [`Flusher`] does the same for the queue.
struct Closing<'a>(&'a Ticker);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use tokio::runtime::{Builder, Runtime};
    use tokio::time::{sleep, timeout};
    use websocket_driver::{CloseCause, CloseCode, Config, Timeout};

    use super::*;
    use crate::socket::WebSocket;
    use crate::test::{self, Peer};

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    async fn open(messages: usize) -> (WebSocket, Peer) {
        let (socket, mut peer) = test::server("/", Config::server()).await;
        for _ in 0..messages {
            peer.send_text("hi");
        }
        (socket, peer)
    }

    #[test]
    fn runtimes_one_after_the_other_on_a_thread_have_their_own_tasks() {
        for _ in 0..3 {
            runtime().block_on(async {
                let (mut socket, mut peer) = open(2).await;
                socket.recv().await.unwrap().unwrap();
                socket.send("1").await.unwrap();
                peer.expect_text("1").await;
            });
        }
        // The worker of a runtime that has ended is removed when the next one is created.
        assert_eq!(WORKERS.with_borrow(|local| local.0.len()), 1);
    }

    #[test]
    fn runtime_that_has_ended_leaves_nothing_with_the_thread() {
        let runtime = runtime();
        let mut peer = runtime.block_on(async {
            // A reply that is written, then one that is not.
            for waits in [true, false] {
                let (mut socket, mut peer) = open(2).await;
                socket.recv().await.unwrap().unwrap();
                socket.send("1").await.unwrap();
                if waits {
                    peer.expect_text("1").await;
                }
            }
            let (mut socket, peer) = open(2).await;
            socket.recv().await.unwrap().unwrap();
            socket.send("1").await.unwrap();
            peer
        });
        drop(runtime);
        WORKERS.with_borrow(|local| {
            let [worker] = &local.0[..] else { panic!("{} workers", local.0.len()) };
            assert!(worker.queue.is_closed() && worker.queue.close().capacity() == 0);
            assert_eq!((Arc::strong_count(worker), Arc::strong_count(&worker.queue)), (1, 1));
        });
        // The transport was dropped with its connection.
        self::runtime().block_on(peer.expect_eof());
    }

    #[test]
    fn task_of_a_thread_that_has_ended_ends() {
        runtime().block_on(async {
            let runtime = Handle::current();
            let tasks = runtime.metrics().num_alive_tasks();
            let thread = thread::spawn({
                let runtime = runtime.clone();
                move || {
                    let _entered = runtime.enter();
                    Worker::current().unwrap();
                }
            });
            thread.join().unwrap();
            assert_eq!(runtime.metrics().num_alive_tasks(), tasks + 1);
            sleep(Duration::from_millis(10)).await;
            assert_eq!(runtime.metrics().num_alive_tasks(), tasks);
        });
    }

    /// Runs a future in a runtime of another thread. Both have ended on return.
    fn in_short_runtime(run: impl Future<Output = ()> + Send + 'static) {
        thread::spawn(|| runtime().block_on(run)).join().unwrap();
    }

    #[tokio::test]
    async fn message_of_a_runtime_that_has_ended_is_written_by_another() {
        let (socket, mut peer) = open(0).await;
        let sender = socket.sender();
        in_short_runtime(async move { sender.try_send("1").unwrap() });
        peer.expect_text("1").await;
    }

    #[tokio::test]
    async fn sender_that_waits_for_a_runtime_that_has_ended_is_continued_by_another() {
        // With and without a ticker as home.
        for config in [Config::server(), Config::server().ping_interval(None)] {
            let (socket, mut peer) = test::server("/", config).await;
            peer.capacity(256);
            let sender = socket.sender();
            in_short_runtime(async move {
                sender.try_send("x".repeat(1000)).unwrap();
                // Until the background waits for the transport.
                sleep(Duration::from_millis(10)).await;
            });
            let sender = socket.sender();
            let sending = tokio::spawn(async move { sender.send("1").await });
            peer.expect_text(&"x".repeat(1000)).await;
            peer.expect_text("1").await;
            sending.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn task_that_waits_while_the_runtime_of_the_background_ends_is_continued() {
        let (socket, mut peer) = open(0).await;
        peer.capacity(256);
        let sender = socket.sender();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (end, ending) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            runtime().block_on(async {
                sender.try_send("x".repeat(1000)).unwrap();
                sleep(Duration::from_millis(10)).await;
                begun.send(()).unwrap();
                ending.recv().unwrap();
            });
        });
        has_begun.await.unwrap();
        let sender = socket.sender();
        let sending = tokio::spawn(async move { sender.send("1").await });
        sleep(Duration::from_millis(10)).await;
        end.send(()).unwrap();
        thread.join().unwrap();
        peer.expect_text(&"x".repeat(1000)).await;
        peer.expect_text("1").await;
        sending.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn close_timeout_holds_when_the_runtime_that_closes_has_ended() {
        let (mut socket, _peer) = test::server("/", Config::server().close_timeout(Duration::from_millis(300))).await;
        let sender = socket.sender();
        in_short_runtime(async move {
            sender.close(CloseCode::NORMAL, "").await.unwrap();
            sleep(Duration::from_millis(10)).await;
        });
        let received = timeout(Duration::from_secs(5), socket.recv()).await;
        assert!(received.expect("the close hangs").is_none());
        assert_eq!(socket.close_cause(), Some(CloseCause::Timeout(Timeout::Close)));
    }
}
