//! Orderly shutdown of many sockets.

pub(crate) mod members;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::time::{Instant, sleep, timeout};
use websocket_driver::{CloseCode, CloseFrame, SendError, check_close};

use self::members::{Members, Membership};

/// A handle that closes all the WebSockets of a server or client and waits for them to end. Clones
/// share the same sockets.
///
/// Pass it to [`WebSocketLayer::shutdown`](crate::WebSocketLayer::shutdown), the extractor of
/// `axum-websocket`, [`Accept::shutdown`](crate::server::Accept::shutdown) or
/// [`Connect::shutdown`](crate::client::Connect::shutdown), or add an open socket with
/// [`WebSocket::join_shutdown`](crate::WebSocket::join_shutdown).
///
/// ```no_run
/// # async fn example() -> Result<(), tower_websocket::SendError> {
/// use std::time::Duration;
///
/// use tower_websocket::{CloseCode, Shutdown};
///
/// let shutdown = Shutdown::new();
/// // Serve with it. When the process is to end:
/// shutdown.begin(CloseCode::GOING_AWAY, "server restarts")?;
/// shutdown.wait(Duration::from_secs(10)).await;
/// # Ok(())
/// # }
/// ```
///
/// # Together with the server's graceful shutdown
///
/// Begin this shutdown first. Once hyper's own has started, hyper adds `close` to the `Connection`
/// header of its responses, and many clients reject a 101 with it. After `begin`, handshakes are
/// refused with 503.
///
/// On HTTP/1.1, the server's graceful shutdown does not wait for upgraded connections. On HTTP/2 it
/// waits as long as a stream is open, which can be longer than [`wait`](Self::wait): if a socket
/// was cut while its client's window left no room for the remaining output, hyper does not reset
/// the stream, and the client has to end it. Wait for the server with a timeout.
#[derive(Clone, Default)]
pub struct Shutdown(Arc<Members>);

impl Shutdown {
    /// Creates a shutdown without any sockets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Closes every socket with this code and reason, as far as its version supports them, and
    /// refuses those that join later. Returns immediately. Receivers still get messages in flight,
    /// then the end. Sending fails at once. A second call does nothing.
    ///
    /// Must be called in a tokio runtime, which writes the close frames.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidCloseCode`] and [`SendError::ReasonTooLong`].
    pub fn begin(&self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        check_close(&CloseFrame { code, reason: reason.into() })?;
        for connection in self.0.begin(code, reason) {
            connection.close(code, reason);
        }
        Ok(())
    }

    /// Like [`begin`](Self::begin), but closes the sockets at random times within `duration`, so
    /// that clients do not all reconnect at once. Returns when the last close frame is queued.
    ///
    /// # Errors
    ///
    /// Same as [`begin`](Self::begin).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, sockets that were not closed yet stay open. [`wait`](Self::wait)
    /// cuts them.
    pub async fn begin_over(&self, duration: Duration, code: CloseCode, reason: &str) -> Result<(), SendError> {
        check_close(&CloseFrame { code, reason: reason.into() })?;
        let begun = Instant::now();
        let mut connections: Vec<_> = self
            .0
            .begin(code, reason)
            .into_iter()
            .map(|connection| (duration.mul_f64(rand::rng().random_range(0.0..1.0)), connection))
            .collect();
        connections.sort_by_key(|(delay, _)| *delay);
        for (delay, connection) in connections {
            // Relative to the start, since each timer is late by up to a millisecond.
            let delay = delay.saturating_sub(begun.elapsed());
            if !delay.is_zero() {
                sleep(delay).await;
            }
            connection.close(code, reason);
        }
        Ok(())
    }

    /// Returns whether the shutdown has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.has_begun()
    }

    /// Returns the number of open sockets, including handshakes that may become one.
    #[must_use]
    pub fn open_sockets(&self) -> usize {
        self.0.len()
    }

    /// Waits up to `limit` for all sockets to be dropped and flushed, then cuts the rest and
    /// returns how many were cut. On HTTP/2 the transport of a socket is a stream, and hyper may
    /// keep the connection open for longer.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn wait(&self, limit: Duration) -> usize {
        let drained = async {
            loop {
                let empty = self.0.empty.notified();
                if self.open_sockets() == 0 {
                    return;
                }
                empty.await;
            }
        };
        if timeout(limit, drained).await.is_ok() {
            return 0;
        }
        let open = self.0.open_connections();
        open.iter().for_each(|connection| connection.clone().cut());
        open.len()
    }

    /// Reserves a slot for a socket or for a handshake that may become one.
    pub(crate) fn join(&self) -> Membership {
        self.0.join()
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown")
            .field("has_begun", &self.has_begun())
            .field("open_sockets", &self.open_sockets())
            .finish()
    }
}
