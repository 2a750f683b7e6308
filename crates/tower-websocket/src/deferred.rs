//! The safety net below writes that wait for more.
//!
//! While messages that have come already wait to be received, what is sent only gathers, to leave in one write when they
//! are through. Whoever receives them may instead wait for something else, and what it has sent must not lie around until
//! it comes back. So the connection is put on a list of a helper task on the same thread, which runs as soon as the
//! sender's task yields, and writes what is still there; mostly that is nothing.

use std::cell::RefCell;
use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{self, Handle};

use crate::connection::Connection;
use crate::lock::lock;

/// A connection that something waits in.
pub(crate) trait Deferred: Send + Sync {
    /// Writes it. `Pending` where it must be called again.
    fn poll_deferred(&self, cx: &mut Context<'_>) -> Poll<()>;
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Deferred for Mutex<Connection<T>> {
    fn poll_deferred(&self, cx: &mut Context<'_>) -> Poll<()> {
        lock(self).poll_deferred(cx)
    }
}

/// Sees to it that a connection is flushed soon. Without a runtime to do it, nothing happens, and `false` comes back.
pub(crate) fn defer(connection: Arc<dyn Deferred>) -> bool {
    let Ok(runtime) = Handle::try_current() else {
        return false;
    };
    let pushed = HELPER.try_with(|helper| {
        let mut helper = helper.borrow_mut();
        // A thread may run one runtime after another, or one within another.
        let helper = match &mut *helper {
            Some(helper) if helper.runtime == runtime.id() && helper.is_alive() => helper,
            helper => helper.insert(Helper::spawn(&runtime)),
        };
        helper.push(connection);
    });
    pushed.is_ok()
}

/// Sees to it that what a connection has taken is written soon, though nobody waits for it. Without a runtime it is left to the
/// next flush.
pub(crate) fn write_soon<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(connection: &Arc<Mutex<Connection<T>>>) {
    lock(connection).set_deferred(true);
    if !defer(connection.clone()) {
        lock(connection).set_deferred(false);
    }
}

thread_local! {
    static HELPER: RefCell<Option<Helper>> = const { RefCell::new(None) };
}

struct Helper {
    runtime: runtime::Id,
    // The task may move to another thread, so that its list cannot be the thread's own.
    list: Arc<Mutex<List>>,
}

#[derive(Default)]
struct List {
    connections: Vec<Arc<dyn Deferred>>,
    waker: Option<Waker>,
    is_dead: bool,
}

impl Helper {
    fn spawn(runtime: &Handle) -> Self {
        let list = Arc::new(Mutex::new(List::default()));
        let guard = Guard(list.clone());
        let mut connections = Vec::new();
        runtime.spawn(poll_fn(move |cx| {
            poll_list(&guard.0, &mut connections, cx);
            Poll::<()>::Pending
        }));
        Self { runtime: runtime.id(), list }
    }

    fn is_alive(&self) -> bool {
        !lock(&self.list).is_dead
    }

    fn push(&self, connection: Arc<dyn Deferred>) {
        let mut list = lock(&self.list);
        list.connections.push(connection);
        if let Some(waker) = &list.waker {
            waker.wake_by_ref();
        }
    }
}

/// Tells when the task is gone with its runtime.
struct Guard(Arc<Mutex<List>>);

impl Drop for Guard {
    fn drop(&mut self) {
        // All else goes with it, the room for connections as well: the thread keeps the list for as long as it lives.
        let list = mem::replace(&mut *lock(&self.0), List { is_dead: true, ..List::default() });
        // Without the lock, as connections may be dropped with it.
        drop(list);
    }
}

/// `connections` holds those that could not be written at once.
fn poll_list(list: &Mutex<List>, connections: &mut Vec<Arc<dyn Deferred>>, cx: &mut Context<'_>) {
    {
        let mut list = lock(list);
        if !list.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            list.waker = Some(cx.waker().clone());
        }
        if connections.is_empty() {
            mem::swap(connections, &mut list.connections);
        } else {
            connections.append(&mut list.connections);
        }
    }
    connections.retain(|connection| connection.poll_deferred(cx).is_pending());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use websocket_driver::Config;

    use super::*;
    use crate::socket::WebSocket;
    use crate::test::{self, Peer};

    /// A socket that has `messages` messages waiting, and its peer, which holds so much unread.
    async fn open(messages: usize, capacity: usize) -> (WebSocket, Peer) {
        let (socket, mut peer) = test::server("/", Config::server().close_timeout(Duration::from_secs(5))).await;
        peer.capacity(capacity);
        for _ in 0..messages {
            peer.send_text("hi");
        }
        (socket, peer)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_sent_while_messages_wait_is_on_the_wire_when_the_task_waits_for_something_else() {
        let (mut socket, mut peer) = open(3, 64 * 1024).await;
        let handler = tokio::spawn(async move {
            socket.recv().await.unwrap().unwrap();
            socket.send("1").await.unwrap();
            socket.send("2").await.unwrap();
            tokio::time::sleep(Duration::from_secs(3600)).await;
            socket
        });
        peer.expect_text("1").await;
        peer.expect_text("2").await;
        assert!(!handler.is_finished());
        handler.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_written_even_when_the_socket_is_dropped() {
        let (mut socket, mut peer) = open(3, 64 * 1024).await;
        socket.recv().await.unwrap().unwrap();
        socket.send("1").await.unwrap();
        drop(socket);
        peer.expect_text("1").await;
        peer.expect_eof().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_read_holds_a_dropped_socket_no_longer_than_the_limit() {
        let (mut socket, mut peer) = open(20, 256).await;
        socket.recv().await.unwrap().unwrap();
        socket.send("x".repeat(1000)).await.unwrap();
        drop(socket);
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(peer.rest().await.len(), 256);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_late_gets_all_of_it() {
        let (mut socket, mut peer) = open(20, 256).await;
        socket.recv().await.unwrap().unwrap();
        socket.send("x".repeat(1000)).await.unwrap();
        drop(socket);
        tokio::time::sleep(Duration::from_secs(1)).await;
        peer.expect_text(&"x".repeat(1000)).await;
    }

    #[test]
    fn one_runtime_after_the_other_on_a_thread_has_its_own_helper() {
        for _ in 0..3 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (mut socket, mut peer) = open(2, 64 * 1024).await;
                socket.recv().await.unwrap().unwrap();
                socket.send("1").await.unwrap();
                peer.expect_text("1").await;
            });
        }
    }

    #[test]
    fn a_runtime_that_is_gone_leaves_nothing_with_the_thread() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            // Written, and then one that is not.
            for waits in [true, false] {
                let (mut socket, mut peer) = open(2, 64 * 1024).await;
                socket.recv().await.unwrap().unwrap();
                socket.send("1").await.unwrap();
                if waits {
                    peer.expect_text("1").await;
                }
            }
        });
        drop(runtime);
        HELPER.with_borrow(|helper| {
            let list = lock(&helper.as_ref().unwrap().list);
            assert!(list.is_dead && list.connections.capacity() == 0 && list.waker.is_none());
        });
    }

    #[tokio::test(start_paused = true)]
    async fn replies_to_a_batch_leave_in_one_write() {
        let (mut socket, mut peer) = open(100, 64 * 1024).await;
        for _ in 0..99 {
            let message = socket.recv().await.unwrap().unwrap();
            socket.send(message).await.unwrap();
        }
        // Nothing has yielded yet, so nothing was written.
        peer.expect_nothing(Duration::ZERO).await;
    }
}
