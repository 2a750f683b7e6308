use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::timeout;
use websocket_driver::{CloseCode, Message, PreparedMessage, SendError};

use crate::connection::Connection;
use crate::deferred::write_soon;
use crate::error::Error;
use crate::lock::lock;
use crate::upgraded::Upgraded;

/// Sends on a [`WebSocket`](crate::WebSocket) that someone else receives from: [`WebSocket::sender`](crate::WebSocket::sender)
/// gives it. It is cheap to clone, and can be used by several tasks at a time; what each of them sends keeps its order.
///
/// The socket stays with whoever receives, and drives the connection. When it is dropped, the connection is, and sending is
/// refused with [`SendError::Closed`].
///
/// ```
/// # use tower_websocket::WebSocket;
/// async fn tick(mut socket: WebSocket) {
///     let sender = socket.sender();
///     tokio::spawn(async move {
///         while sender.send("tick").await.is_ok() {
///             tokio::time::sleep(std::time::Duration::from_secs(1)).await;
///         }
///     });
///     while let Some(Ok(message)) = socket.recv().await {
///         println!("{message:?}");
///     }
/// }
/// ```
pub struct WebSocketSender<T = Upgraded> {
    connection: Weak<Mutex<Connection<T>>>,
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> WebSocketSender<T> {
    pub(crate) fn new(connection: &Arc<Mutex<Connection<T>>>) -> Self {
        lock(connection).watch();
        Self { connection: Arc::downgrade(connection) }
    }

    /// Sends a message, and writes it. Where [`Config::max_output`](crate::Config::max_output) bytes wait to be written, it
    /// waits.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] where the connection is closing or gone, or knows no binary messages; [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// Safe: the message is sent whole or not at all.
    pub fn send(&self, message: impl Into<Message>) -> impl Future<Output = Result<(), Error>> + '_ {
        let mut message = Some(message.into());
        poll_fn(move |cx| {
            let connection = self.connection()?;
            let mut connection = lock(&connection);
            ready!(connection.poll_feed(cx, &mut message))?;
            connection.poll_flush(cx).map_err(Error::Io)
        })
    }

    /// Sends a message that others send as well.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// Safe: the message is sent whole or not at all.
    pub fn send_prepared<'a>(&'a self, prepared: &'a PreparedMessage) -> impl Future<Output = Result<(), Error>> + 'a {
        let mut prepared = Some(prepared);
        poll_fn(move |cx| {
            let connection = self.connection()?;
            let mut connection = lock(&connection);
            ready!(connection.poll_prepared(cx, &mut prepared))?;
            connection.poll_flush(cx).map_err(Error::Io)
        })
    }

    /// Sends a message if there is room for it now, and waits for nothing; it is written in the background. For who would
    /// rather drop a message than be held up by a slow peer. Called outside of a tokio runtime, it leaves the message to the next
    /// flush.
    ///
    /// # Errors
    ///
    /// [`SendError::OutputFull`] where [`Config::max_output`](crate::Config::max_output) bytes wait to be written, and those of
    /// [`send`](Self::send).
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        let connection = self.connection.upgrade().ok_or(SendError::Closed)?;
        lock(&connection).start_send(message.into())?;
        write_soon(&connection);
        Ok(())
    }

    /// Pings the peer, and waits for the pong to that very ping, or to a later one: how long it took. Somebody must be receiving
    /// meanwhile, since the pong comes with what is received.
    ///
    /// ```
    /// # use tower_websocket::{Error, WebSocketSender};
    /// async fn is_near(sender: &WebSocketSender) -> Result<bool, Error> {
    ///     Ok(sender.ping().await? < std::time::Duration::from_millis(20))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`Error::NoPong`] where none comes within [`Config::pong_timeout`](crate::Config::pong_timeout),
    /// and where 16 others wait already, which pushes out the oldest.
    ///
    /// # Cancel safety
    ///
    /// Safe: the ping is sent whole or not at all.
    pub async fn ping(&self) -> Result<Duration, Error> {
        let (answered, pong) = oneshot::channel();
        let mut answered = Some(answered);
        let limit = poll_fn(|cx| {
            let connection = self.connection()?;
            let mut connection = lock(&connection);
            ready!(connection.poll_timed_ping(cx, &mut answered))?;
            ready!(connection.poll_flush(cx))?;
            Poll::Ready(Ok::<_, Error>(connection.driver().config().get_pong_timeout()))
        })
        .await?;
        timeout(limit, pong).await.ok().and_then(Result::ok).ok_or(Error::NoPong)
    }

    /// Sends a ping of at most 125 bytes, and does not wait for the pong. It comes to who receives, as
    /// [`Event::Pong`](crate::Event::Pong).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), and where there are more than 125 bytes.
    ///
    /// # Cancel safety
    ///
    /// Safe: the ping is sent whole or not at all.
    pub fn send_ping(&self, data: impl Into<Bytes>) -> impl Future<Output = Result<(), Error>> + '_ {
        let mut data = Some(data.into());
        poll_fn(move |cx| {
            let connection = self.connection()?;
            let mut connection = lock(&connection);
            ready!(connection.poll_ping(cx, &mut data))?;
            connection.poll_flush(cx).map_err(Error::Io)
        })
    }

    /// Begins to close, and writes that. Who receives sees the end.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] for a code that may not be sent, a reason over 123 bytes, or a connection that is gone;
    /// [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// Safe: once polled, the close is under way.
    pub async fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        lock(&*self.connection()?).start_close(code, reason)?;
        poll_fn(|cx| lock(&*self.connection()?).poll_flush(cx).map_err(Error::Io)).await
    }

    fn connection(&self) -> Result<Arc<Mutex<Connection<T>>>, Error> {
        self.connection.upgrade().ok_or(Error::Send(SendError::Closed))
    }
}

/// As [`WebSocketSender::send`], and [`WebSocketSender::close`] with [`CloseCode::NORMAL`].
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Sink<Message> for WebSocketSender<T> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        lock(&*self.connection()?).poll_ready(cx).map_err(Error::Io)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        Ok(lock(&*self.connection()?).start_send(message)?)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        lock(&*self.connection()?).poll_flush(cx).map_err(Error::Io)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        lock(&*self.connection()?).start_close(CloseCode::NORMAL, "")?;
        self.poll_flush(cx)
    }
}

impl<T> Clone for WebSocketSender<T> {
    fn clone(&self) -> Self {
        Self { connection: self.connection.clone() }
    }
}

impl<T> fmt::Debug for WebSocketSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketSender").finish_non_exhaustive()
    }
}
