//! Drives connections that have work left although no task polls them.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use slab::Slab;
use tokio::task::{coop, yield_now};

use super::queue::{EntryWaker, Job, Queue};

/// The number of entries polled before yielding to other tasks. Most need one system call.
const TURN: usize = 100;

/// A connection that can be driven.
pub(crate) trait Drive: Send + Sync {
    /// Does the remaining work. Returns `Pending` if it must be polled again; the waker is
    /// registered for that.
    fn poll_drive(self: Arc<Self>, cx: &mut Context<'_>) -> Poll<()>;

    /// Called if the runtime has ended before the work was done. Another runtime may drive the
    /// connection.
    fn release(self: Arc<Self>);

    /// Called if `poll_drive` has panicked. The connection is not driven any more.
    fn fail(self: Arc<Self>);
}

type Connection = Arc<dyn Drive>;
type ConnectionWaker = Arc<EntryWaker<Connection>>;

/// The task's end of the queue.
pub(super) struct Flusher {
    queue: Arc<Queue<Connection>>,
    jobs: VecDeque<Job<Connection>>,
    pending: Slab<(Connection, ConnectionWaker)>,
    /// A waker without other references, for the next entry.
    spare: Option<ConnectionWaker>,
}

impl Flusher {
    pub(super) fn new(queue: Arc<Queue<Connection>>) -> Self {
        Self { queue, jobs: VecDeque::new(), pending: Slab::new(), spare: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.pending.is_empty()
    }

    /// Polls entries that are new or were woken.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        self.queue.take(cx.waker(), &mut self.jobs);
        for _ in 0..TURN {
            // Without budget every transport would appear to be full.
            if !coop::has_budget_remaining() {
                break;
            }
            match self.jobs.pop_front() {
                Some(Job::Added(connection)) => self.poll_added(connection),
                Some(Job::Woken(key)) => self.poll_woken(key),
                None => return self.shrink(),
            }
        }
        // Not `wake_by_ref`, which would run this task again before the runtime polls its sockets
        // and timers.
        let _ = pin!(yield_now()).poll(cx);
    }

    /// Frees the capacity that many connections at once have needed.
    fn shrink(&mut self) {
        self.jobs.shrink_to(TURN);
        if self.pending.is_empty() && self.pending.capacity() > TURN {
            self.pending = Slab::new();
        }
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
        // A waker may outlive its entry.
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
        connection.clone().fail();
        Poll::Ready(())
    })
}

/// Runs when the runtime or the task ends.
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io;
    use std::pin::Pin;
    use std::time::Duration;

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use tokio::time::{Instant, sleep, timeout};
    use websocket_driver::{CloseCause, CloseCode, Config, ServerConfig, Timeout};

    use super::*;
    use crate::accept::accept;
    use crate::error::Error;
    use crate::socket::WebSocket;
    use crate::sync::{Mutex, lock};
    use crate::test::{self, Peer, Transport};

    const SECOND: Duration = Duration::from_secs(1);

    /// Returns a configuration with no timeout except the close timeout.
    fn config() -> ServerConfig {
        Config::server().close_timeout(5 * SECOND).ping_interval(None)
    }

    /// Returns a socket with messages waiting to be received, and its peer, which accepts
    /// `capacity` bytes without reading them.
    async fn open(messages: usize, capacity: usize) -> (WebSocket, Peer) {
        let (socket, mut peer) = test::server("/", config()).await;
        peer.capacity(capacity);
        for _ in 0..messages {
            peer.send_text("hi");
        }
        (socket, peer)
    }

    #[tokio::test(start_paused = true)]
    async fn replies_leave_when_the_task_waits_for_something_else() {
        let (mut socket, mut peer) = open(3, 64 * 1024).await;
        let handler = tokio::spawn(async move {
            socket.recv().await.unwrap().unwrap();
            socket.send("1").await.unwrap();
            socket.send("2").await.unwrap();
            sleep(3600 * SECOND).await;
            socket
        });
        peer.expect_text("1").await;
        peer.expect_text("2").await;
        assert!(!handler.is_finished());
        handler.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn replies_to_a_batch_leave_in_one_write() {
        let (mut socket, mut peer) = open(100, 64 * 1024).await;
        for _ in 0..99 {
            let message = socket.recv().await.unwrap().unwrap();
            socket.send(message).await.unwrap();
        }
        // The task has not yielded yet, so nothing was written.
        peer.expect_nothing(Duration::ZERO).await;
        yield_now().await;
        for _ in 0..99 {
            peer.expect_text("hi").await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn reply_of_a_dropped_socket_is_written() {
        let (mut socket, mut peer) = open(3, 64 * 1024).await;
        socket.recv().await.unwrap().unwrap();
        socket.send("1").await.unwrap();
        drop(socket);
        peer.expect_text("1").await;
        peer.expect_eof().await;
    }

    #[tokio::test(start_paused = true)]
    async fn peer_that_does_not_read_holds_a_dropped_socket_no_longer_than_the_limit() {
        let (mut socket, mut peer) = open(20, 256).await;
        socket.recv().await.unwrap().unwrap();
        socket.send("x".repeat(1000)).await.unwrap();
        drop(socket);
        sleep(6 * SECOND).await;
        assert_eq!(peer.rest().await.len(), 256);
    }

    #[tokio::test(start_paused = true)]
    async fn late_reader_gets_everything() {
        let (mut socket, mut peer) = open(20, 256).await;
        socket.recv().await.unwrap().unwrap();
        socket.send("x".repeat(1000)).await.unwrap();
        drop(socket);
        sleep(SECOND).await;
        peer.expect_text(&"x".repeat(1000)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn cancelled_send_to_a_full_transport_is_completed() {
        let (socket, mut peer) = open(0, 256).await;
        let sender = socket.sender();
        for _ in 0..3 {
            let sent = timeout(SECOND, sender.send("x".repeat(1000))).await;
            assert!(sent.is_err());
        }
        for _ in 0..3 {
            peer.expect_text(&"x".repeat(1000)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn close_timeout_bounds_a_close_behind_output_that_is_stuck() {
        let (mut socket, peer) = open(0, 256).await;
        socket.sender().try_send("x".repeat(1000)).unwrap();
        // Now the background waits for the transport.
        sleep(SECOND).await;
        let begun = Instant::now();
        let closed = timeout(3600 * SECOND, socket.close(CloseCode::NORMAL, "")).await;
        closed.expect("the close hangs").unwrap();
        assert_eq!(begun.elapsed().as_secs(), 5);
        assert_eq!(socket.close_cause(), Some(CloseCause::Timeout(Timeout::Close)));
        drop(peer);
    }

    #[tokio::test(start_paused = true)]
    async fn close_timeout_bounds_the_close_of_a_peer_that_does_not_read() {
        let (mut socket, mut peer) = open(0, 256).await;
        socket.sender().try_send("x".repeat(1000)).unwrap();
        sleep(SECOND).await;
        let begun = Instant::now();
        peer.send_close(CloseCode::NORMAL, "");
        let received = timeout(3600 * SECOND, socket.recv()).await;
        assert!(received.expect("the close hangs").is_none());
        assert_eq!(begun.elapsed().as_secs(), 5);
    }

    /// A transport whose writes fail or panic once `fault` is set.
    #[derive(Debug)]
    struct Faulty {
        io: Transport,
        fault: Arc<Mutex<Option<Fault>>>,
    }

    #[derive(Debug, Clone, Copy)]
    enum Fault {
        Error,
        Panic,
    }

    impl Faulty {
        async fn open() -> (WebSocket<Self>, Peer, Arc<Mutex<Option<Fault>>>) {
            let (io, other) = test::transport();
            let mut peer = Peer::new(other);
            let fault = Arc::default();
            let accepting = accept(Self { io, fault: Arc::clone(&fault) }, config());
            let (socket, _) = tokio::join!(accepting, peer.open("/"));
            (socket.unwrap(), peer, fault)
        }
    }

    impl AsyncRead for Faulty {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.io).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Faulty {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            let fault = *lock(&self.fault);
            match fault {
                Some(Fault::Error) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Some(Fault::Panic) => panic!("injected panic"),
                None => Pin::new(&mut self.io).poll_write(cx, buf),
            }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.io).poll_shutdown(cx)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn close_timeout_bounds_reading_after_a_write_failed_in_the_background() {
        let (mut socket, peer, fault) = Faulty::open().await;
        *lock(&fault) = Some(Fault::Error);
        socket.sender().try_send("lost").unwrap();
        // The write fails in the background.
        sleep(SECOND).await;
        let begun = Instant::now();
        let received = timeout(3600 * SECOND, socket.recv()).await.expect("the receiver hangs");
        assert!(matches!(received, Some(Err(Error::Io(_)))), "{received:?}");
        assert!(socket.recv().await.is_none());
        assert_eq!(begun.elapsed().as_secs(), 4);
        drop(peer);
    }

    #[tokio::test(start_paused = true)]
    async fn messages_that_had_arrived_are_received_after_a_write_failed_in_the_background() {
        let (mut socket, mut peer, fault) = Faulty::open().await;
        *lock(&fault) = Some(Fault::Error);
        socket.sender().try_send("lost").unwrap();
        sleep(SECOND).await;
        for _ in 0..1000 {
            peer.send_text("x".repeat(500));
        }
        peer.send_close(CloseCode::GOING_AWAY, "");
        let mut received = 0;
        while let Some(Ok(_)) = socket.recv().await {
            received += 1;
        }
        assert_eq!(received, 1000);
        assert_eq!(socket.close_frame().map(|close| close.code), Some(CloseCode::GOING_AWAY));
    }

    #[tokio::test(start_paused = true)]
    async fn panic_in_an_entry_ends_its_connection_alone() {
        let (mut socket, mut peer, fault) = Faulty::open().await;
        let (other, mut other_peer) = open(0, 64 * 1024).await;
        peer.capacity(256);
        let sender = socket.sender();
        let sending = tokio::spawn(async move { sender.send("x".repeat(1000)).await });
        let receiving = tokio::spawn(async move {
            while socket.recv().await.is_some() {}
            socket.close_cause()
        });
        // Now the background waits for the transport. It panics when it is polled again.
        sleep(SECOND).await;
        *lock(&fault) = Some(Fault::Panic);
        peer.capacity(1024);
        let sent = timeout(SECOND, sending).await.expect("the sender hangs").unwrap();
        assert!(matches!(sent, Err(Error::Io(_))), "{sent:?}");
        let cause = timeout(SECOND, receiving).await.expect("the receiver hangs").unwrap();
        assert_eq!(cause, Some(CloseCause::Failed(io::ErrorKind::Other)));
        other.sender().try_send("other").unwrap();
        other_peer.expect_text("other").await;
    }

    #[tokio::test(start_paused = true)]
    async fn completed_entries_free_their_capacity() {
        let queue = Arc::new(Queue::default());
        let mut flusher = Flusher::new(queue.clone());
        let entry = Arc::new(Counted { polls: Mutex::new(0), pending: 1 });
        for _ in 0..10 * TURN {
            assert!(queue.push(entry.clone() as Connection).is_ok());
        }
        poll_fn(|cx| {
            flusher.poll(cx);
            if flusher.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert!(flusher.pending.capacity() <= TURN && flusher.jobs.capacity() <= 2 * TURN);
    }

    #[tokio::test(start_paused = true)]
    async fn pending_entries_are_polled_only_when_woken() {
        let queue = Arc::new(Queue::default());
        let mut flusher = Flusher::new(queue.clone());
        let entries = [0, 3].map(|pending| Arc::new(Counted { polls: Mutex::new(0), pending }));
        let stuck = Arc::new(Stuck::default());
        assert!(queue.push(stuck.clone() as Connection).is_ok());
        for entry in &entries {
            assert!(queue.push(entry.clone() as Connection).is_ok());
        }
        poll_fn(|cx| {
            flusher.poll(cx);
            if flusher.pending.len() == 1 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert_eq!(entries.map(|entry| *lock(&entry.polls)), [1, 4]);
        assert_eq!(lock(&stuck.0).0, 1);
        drop(flusher);
        assert_eq!(*lock(&stuck.0), (1, true));
    }

    /// Wakes itself and returns `Pending` a number of times.
    struct Counted {
        polls: Mutex<usize>,
        pending: usize,
    }

    impl Drive for Counted {
        fn poll_drive(self: Arc<Self>, cx: &mut Context<'_>) -> Poll<()> {
            let mut polls = lock(&self.polls);
            *polls += 1;
            if *polls > self.pending {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }

        fn release(self: Arc<Self>) {}

        fn fail(self: Arc<Self>) {}
    }

    /// Never completes. Counts its polls, and records whether it was released.
    #[derive(Default)]
    struct Stuck(Mutex<(usize, bool)>);

    impl Drive for Stuck {
        fn poll_drive(self: Arc<Self>, _: &mut Context<'_>) -> Poll<()> {
            lock(&self.0).0 += 1;
            Poll::Pending
        }

        fn release(self: Arc<Self>) {
            lock(&self.0).1 = true;
        }

        fn fail(self: Arc<Self>) {}
    }
}
