use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use rand::RngExt;
use slab::Slab;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use websocket_driver::{CloseCode, CloseFrame, SendError, check_close};

use crate::sync::{Mutex, lock};

/// Ends all the WebSockets of a server, or of a client, in an orderly way. It is a handle to be cloned: given to
/// [`WebSocketLayer::shutdown`](crate::WebSocketLayer::shutdown), to the extractor of `axum-websocket`, or to any socket by
/// [`WebSocket::shutdown`](crate::WebSocket::shutdown).
///
/// ```no_run
/// # async fn example() -> Result<(), tower_websocket::SendError> {
/// use std::time::Duration;
///
/// use tower_websocket::{CloseCode, Shutdown};
///
/// let shutdown = Shutdown::new();
/// // Serve with it, then, when the process is told to end:
/// shutdown.begin(CloseCode::GOING_AWAY, "the server restarts")?;
/// shutdown.wait(Duration::from_secs(10)).await;
/// # Ok(())
/// # }
/// ```
///
/// # Beside the server's own graceful shutdown
///
/// Begin it before the server's own. From that on hyper adds `close` to the `Connection` header of its answers, and many clients
/// refuse a 101 with that; once this shutdown has begun, handshakes are answered with 503 instead.
///
/// On HTTP/1.1 a server's own graceful shutdown does not wait for connections that were upgraded. On HTTP/2 it does, for as long
/// as a stream is open. That can be after [`wait`](Self::wait): hyper does not reset the stream of a socket that was ended while its
/// client left no window for what was to be sent, so it is the client that has to end it. Wait for the server with a time limit.
#[derive(Clone, Default)]
pub struct Shutdown(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    /// The last socket is gone.
    empty: Notify,
}

#[derive(Default)]
struct State {
    /// Once it was begun, what sockets are closed with.
    close: Option<(CloseCode, Arc<str>)>,
    /// Sockets, and handshakes that may become some.
    sockets: Slab<Option<Weak<dyn Drain>>>,
}

impl State {
    /// Those that are open.
    fn sockets(&self) -> Vec<Arc<dyn Drain>> {
        self.sockets.iter().filter_map(|(_, socket)| socket.as_ref()?.upgrade()).collect()
    }
}

/// A connection, whatever its transport.
pub(crate) trait Drain: Send + Sync {
    fn close(self: Arc<Self>, code: CloseCode, reason: &str);
    fn cut(self: Arc<Self>);
}

impl Shutdown {
    /// A handle of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends a close to every socket, in the way that its protocol has, and refuses those that come from here on. It waits
    /// for nothing. What the sockets' owners receive ends soon after; sending is refused at once. A second call does nothing.
    ///
    /// It must be called in a tokio runtime, which writes the closes.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidCloseCode`] and [`SendError::ReasonTooLong`].
    pub fn begin(&self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        for socket in self.refuse_more(code, reason)? {
            self.close(&socket);
        }
        Ok(())
    }

    /// As [`begin`](Self::begin), with the closes spread by chance over so much time, so that not all clients come back to
    /// another server at once. It waits until the last was sent.
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin).
    ///
    /// # Cancel safety
    ///
    /// The sockets whose turn has not come stay open where it is dropped; [`wait`](Self::wait) cuts them.
    pub async fn begin_over(&self, time: Duration, code: CloseCode, reason: &str) -> Result<(), SendError> {
        let sockets = self.refuse_more(code, reason)?;
        let mut turns: Vec<_> =
            sockets.into_iter().map(|socket| (time.mul_f64(rand::rng().random_range(0.0..=1.0)), socket)).collect();
        turns.sort_by_key(|(turn, _)| *turn);
        let begun = Instant::now();
        for (turn, socket) in turns {
            // From the beginning on, as each timer is late by up to a millisecond.
            let rest = turn.saturating_sub(begun.elapsed());
            if !rest.is_zero() {
                sleep(rest).await;
            }
            self.close(&socket);
        }
        Ok(())
    }

    /// Whether it was begun.
    pub fn has_begun(&self) -> bool {
        lock(&self.0.state).close.is_some()
    }

    /// How many sockets are open, with the handshakes that may become some.
    pub fn open(&self) -> usize {
        lock(&self.0.state).sockets.len()
    }

    /// Waits until all sockets are gone, dropped by their owners and written to the last byte, but no longer than `limit`: then
    /// their transports are ended. Returns how many that were. On HTTP/2 the transport of a socket is a stream; the connection
    /// is hyper's, which may keep it for longer.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn wait(&self, limit: Duration) -> usize {
        let gone = async {
            loop {
                let empty = self.0.empty.notified();
                if self.open() == 0 {
                    return;
                }
                empty.await;
            }
        };
        if timeout(limit, gone).await.is_ok() {
            return 0;
        }
        let left = lock(&self.0.state).sockets();
        left.iter().for_each(|socket| socket.clone().cut());
        left.len()
    }

    /// A place for a socket, or for a handshake that may become one.
    pub(crate) fn enter(&self) -> Entry {
        let key = lock(&self.0.state).sockets.insert(None);
        Entry { inner: self.0.clone(), key }
    }

    fn refuse_more(&self, code: CloseCode, reason: &str) -> Result<Vec<Arc<dyn Drain>>, SendError> {
        check_close(&CloseFrame { code, reason: reason.into() })?;
        let mut state = lock(&self.0.state);
        if state.close.is_some() {
            return Ok(Vec::new());
        }
        state.close = Some((code, reason.into()));
        Ok(state.sockets())
    }

    fn close(&self, socket: &Arc<dyn Drain>) {
        let close = lock(&self.0.state).close.clone();
        if let Some((code, reason)) = close {
            socket.clone().close(code, &reason);
        }
    }
}

/// A socket's place among those that a [`Shutdown`] closes.
pub(crate) struct Entry {
    inner: Arc<Inner>,
    key: usize,
}

impl Entry {
    /// Puts a connection there. If the shutdown was begun meanwhile, it is closed.
    pub(crate) fn fill(&self, connection: Arc<dyn Drain>) {
        let mut state = lock(&self.inner.state);
        state.sockets[self.key] = Some(Arc::downgrade(&connection));
        let close = state.close.clone();
        drop(state);
        if let Some((code, reason)) = close {
            connection.close(code, &reason);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut state = lock(&self.inner.state);
        state.sockets.remove(self.key);
        if state.sockets.is_empty() {
            self.inner.empty.notify_waiters();
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("key", &self.key).finish_non_exhaustive()
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown").field("has_begun", &self.has_begun()).field("open", &self.open()).finish()
    }
}
