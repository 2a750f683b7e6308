// First, so that the documentation begins with its methods.
mod messaging;

pub(crate) mod byte_stream;
pub(crate) mod incoming;
mod link;
pub(crate) mod outgoing;
mod polling;
mod raw;
pub(crate) mod replies;
pub(crate) mod sender;
pub(crate) mod split;
mod traits;
mod transport;

use std::fmt;

use http::Request;
use websocket_driver::{Batch, CloseFrame, Version};

use self::polling::Stash;
use crate::connection::shared::Owner;
use crate::transport::upgraded::Upgraded;

/// An open WebSocket.
///
/// The task that holds the socket drives it: pings are answered and closes are completed while it
/// awaits [`recv`](Self::recv), [`next_event`](Self::next_event) or the
/// [`Stream`](futures_core::Stream). There is no task per socket. One background task per runtime
/// thread writes output that nothing awaits, and checks the timeouts. An idle socket holds no
/// buffer.
///
/// A busy socket yields to other tasks after 1,024 frames or 4 MiB. A peer that does not read is
/// disconnected after [`Config::ping_interval`](crate::Config::ping_interval) plus
/// [`Config::pong_timeout`](crate::Config::pong_timeout), whatever the task awaits.
///
/// All futures may be dropped at any time, for example by `select!` or a timeout: no message is
/// lost and no frame is truncated. A message that [`send`](Self::send) accepted before it was
/// dropped is sent completely. When the socket is dropped, accepted messages are still written,
/// within [`Config::close_timeout`](crate::Config::close_timeout).
///
/// The socket requires a tokio runtime with its timer enabled.
///
/// ```
/// # use tower_websocket::WebSocket;
/// async fn echo(mut socket: WebSocket) {
///     while let Some(Ok(message)) = socket.recv().await {
///         if socket.send(message).await.is_err() {
///             break;
///         }
///     }
/// }
/// ```
pub struct WebSocket<T = Upgraded>(
    /// Boxed, as `async` blocks and functions store moved values twice.
    Box<Inner<T>>,
);

struct Inner<T> {
    /// When this is dropped, the output is still written, within
    /// [`Config::close_timeout`](crate::Config::close_timeout).
    connection: Owner<T, true>,
    /// Received messages that are available without the lock.
    batch: Batch,
    /// Events that were received while waiting for a pong. They precede all later events.
    stash: Option<Box<Stash>>,
    protocol: Option<Box<str>>,
    request: Option<Box<Request<()>>>,
    close_frame: Option<Box<CloseFrame>>,
    version: Version,
    /// Whether `Sink::poll_ready` has returned `Ready` since the last message.
    has_room: bool,
    /// Whether `None` has been returned.
    is_finished: bool,
}

/// Omits messages, headers and the subprotocol, which may be confidential. Takes no lock, as the
/// caller may hold it.
impl<T> fmt::Debug for WebSocket<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { version, is_finished, close_frame, .. } = &*self.0;
        f.debug_struct("WebSocket")
            .field("version", version)
            .field("is_finished", is_finished)
            .field("close_code", &close_frame.as_ref().map(|close| close.code))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use websocket_driver::Config;

    use crate::accept::accept;
    use crate::test;

    #[tokio::test]
    async fn accepted_socket_holds_no_buffer_before_it_receives() {
        let (io, other) = test::transport();
        let mut peer = test::Peer::new(other);
        let (socket, _) = tokio::join!(accept(io, Config::server()), peer.open("/"));
        assert_eq!(socket.unwrap().0.connection.lock().driver_mut().input().capacity(), 0);
    }
}
