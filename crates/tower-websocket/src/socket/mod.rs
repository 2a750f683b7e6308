mod polling;
mod raw;
pub(crate) mod replies;
pub(crate) mod sender;
pub(crate) mod split;
mod traits;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use websocket_driver::{
    Batch, CloseCause, CloseCode, CloseFrame, Event, Message, MessageRef, PreparedMessage, SendError, Version,
};

use self::polling::Stash;
use crate::connection::Connection;
use crate::connection::shared::Owner;
use crate::error::Error;
use crate::shutdown::Shutdown;
use crate::shutdown::members::Membership;
use crate::socket::replies::Responder;
use crate::socket::sender::WebSocketSender;
use crate::socket::split::WebSocketReader;
use crate::transport::tcp;
use crate::transport::upgraded::Upgraded;

/// An open WebSocket.
///
/// It is driven by the task that holds it: pings are answered and closes completed while [`recv`](Self::recv) (or
/// [`next_event`](Self::next_event), or the [`Stream`](futures_core::Stream)) is waited for. There is no task per socket. One background
/// task per runtime thread writes what nobody waits for and watches the timeouts. An idle socket holds no buffer.
///
/// A busy socket lets other tasks have their turn after 1,024 frames or 4 MiB. A peer that reads nothing is dropped after
/// [`Config::ping_interval`](crate::Config::ping_interval) and [`Config::pong_timeout`](crate::Config::pong_timeout) together, whatever
/// the task waits for.
///
/// Any of its futures may be dropped at any time (in `select!`, by a timeout): nothing is lost and no frame is cut. A
/// message that [`send`](Self::send) had taken before it was dropped is sent whole. When the socket is dropped, what it has
/// taken is still written, within [`Config::close_timeout`](crate::Config::close_timeout).
///
/// It needs a tokio runtime with its timer enabled.
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
    /// Boxed, as an `async` block or function holds what is moved into it twice.
    Box<Inner<T>>,
);

struct Inner<T> {
    /// When it is dropped, what was taken and not written yet is still written, within
    /// [`Config::close_timeout`](crate::Config::close_timeout).
    connection: Owner<T, true>,
    /// What has come already and can be had without taking the lock.
    batch: Batch,
    /// What came while a pong was waited for, to be received before all else.
    stash: Option<Box<Stash>>,
    protocol: Option<Box<str>>,
    request: Option<Box<Request<()>>>,
    close_frame: Option<Box<CloseFrame>>,
    version: Version,
    /// The sink was ready, and has not taken a message since.
    has_room: bool,
    /// `None` was given out.
    is_finished: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> WebSocket<T> {
    pub(crate) fn new(mut connection: Connection<T>) -> Self {
        if let Some(interval) = connection.driver().timeouts().ping_interval
            && connection.driver().version().is_some_and(Version::is_hixie)
            && let Some(io) = connection.io()
        {
            tcp::keep_alive(io, interval);
        }
        let driver = connection.driver_mut();
        let protocol = driver.protocol().map(Into::into);
        let request = driver.take_request().map(Box::new);
        let version = driver.version().unwrap_or(Version::Hybi13);
        Self(Box::new(Inner {
            batch: Batch::default(),
            stash: None,
            protocol,
            request,
            close_frame: None,
            version,
            has_room: false,
            is_finished: false,
            connection: Owner::open(connection),
        }))
    }

    /// The next message, or `None` when the connection has ended: [`close_frame`](Self::close_frame) tells how.
    ///
    /// Before it waits, it writes what was [fed](Self::feed). It receives also while the peer does not take that: it is sending
    /// that waits then.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] and [`Error::Protocol`], at most one of them, and then `None`. In the second case the peer has been
    /// told why.
    ///
    /// # Cancel safety
    ///
    /// Safe: no message is lost.
    pub fn recv(&mut self) -> impl Future<Output = Option<Result<Message, Error>>> + '_ {
        poll_fn(|cx| self.0.poll_recv(cx))
    }

    /// Hands every message that comes to `handle`, until the connection ends, with what it takes to answer. The message is
    /// only borrowed, from the buffer that it came in, and the answers are gathered, to leave together. It is the fastest way to
    /// serve many small messages, for handlers that need not wait for anything else.
    ///
    /// While the peer does not take what was answered, it is handed nothing more.
    ///
    /// ```
    /// # use tower_websocket::{Error, WebSocket};
    /// async fn echo(mut socket: WebSocket) -> Result<(), Error> {
    ///     socket.for_each_borrowed(|message, replies| {
    ///         // Refused only on a connection that is closing.
    ///         let _ = replies.send_borrowed(message);
    ///     })
    ///     .await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Io`] and [`Error::Protocol`], as of [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Safe: what was not handed out yet is had by the next `for_each_borrowed` or [`recv`](Self::recv).
    pub fn for_each_borrowed<F>(&mut self, mut handle: F) -> impl Future<Output = Result<(), Error>> + use<'_, T, F>
    where
        F: FnMut(MessageRef<'_>, &mut Responder<'_>),
    {
        poll_fn(move |cx| self.0.poll_for_each(cx, &mut handle))
    }

    /// The next event, for who wants to see pings and pongs, and the close as it happens. As [`recv`](Self::recv) else;
    /// a breach of the protocol is told by [`Event::Error`].
    ///
    /// # Errors
    ///
    /// [`Error::Io`], then [`Event::Close`], then `None`.
    ///
    /// # Cancel safety
    ///
    /// Safe: no event is lost.
    pub fn next_event(&mut self) -> impl Future<Output = Option<Result<Event, Error>>> + '_ {
        poll_fn(|cx| self.0.poll_next_event(cx))
    }

    /// Sends a message.
    ///
    /// It is written at once, unless further messages have come already and wait to be received: then it leaves together
    /// with what is said to them, in one write, when they are through, or as soon as the task waits for anything else. So
    /// the plain loop of `recv` and `send` is a fast one. [`flush`](Self::flush) writes in any case.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] where the connection is closing, or knows no binary messages; [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// Safe: the message is sent whole or not at all.
    #[inline]
    pub fn send(&mut self, message: impl Into<Message>) -> impl Future<Output = Result<(), Error>> + '_ {
        let mut message = Some(message.into());
        poll_fn(move |cx| self.0.poll_send(cx, &mut message))
    }

    /// Sends a message that others send as well, as [`send`](Self::send) does.
    ///
    /// ```
    /// # use tower_websocket::{Error, PreparedMessage, WebSocket};
    /// async fn broadcast(sockets: &mut [WebSocket], news: &str) {
    ///     let news = PreparedMessage::new(news);
    ///     for socket in sockets {
    ///         let _ = socket.send_prepared(&news).await;
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// Safe: the message is sent whole or not at all.
    pub fn send_prepared<'a>(
        &'a mut self,
        prepared: &'a PreparedMessage,
    ) -> impl Future<Output = Result<(), Error>> + 'a {
        let mut prepared = Some(prepared);
        poll_fn(move |cx| self.0.poll_send_prepared(cx, &mut prepared))
    }

    /// Takes a message, to be written together with others: by [`flush`](Self::flush), by a [`recv`](Self::recv) that
    /// waits, or when [`Config::max_output`](crate::Config::max_output) bytes are queued.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// Safe: the message is taken whole or not at all.
    pub fn feed(&mut self, message: impl Into<Message>) -> impl Future<Output = Result<(), Error>> + '_ {
        let mut message = Some(message.into());
        poll_fn(move |cx| self.0.connection.lock().poll_feed(cx, &mut message))
    }

    /// Writes all that was taken.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// Safe: the next flush goes on.
    pub fn flush(&mut self) -> impl Future<Output = Result<(), Error>> + '_ {
        poll_fn(|cx| self.0.poll_flush(cx))
    }

    /// Pings the peer, and waits for the pong to that very ping, or to a later one: how long it took. What comes before the pong
    /// is kept for [`recv`](Self::recv), up to [`Config::max_output`](crate::Config::max_output) bytes; more is not read. Where
    /// somebody else receives, ping by a [`sender`](Self::sender).
    ///
    /// ```
    /// # use tower_websocket::{Error, WebSocket};
    /// async fn is_near(socket: &mut WebSocket) -> Result<bool, Error> {
    ///     Ok(socket.ping().await? < std::time::Duration::from_millis(20))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`Error::NoPong`] where none comes within [`Config::pong_timeout`](crate::Config::pong_timeout).
    ///
    /// # Cancel safety
    ///
    /// Safe: no message is lost, and the ping is sent whole or not at all.
    pub async fn ping(&mut self) -> Result<Duration, Error> {
        let sender = self.sender();
        let mut pong = pin!(sender.ping());
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(time) = pong.as_mut().poll(cx) {
                    return Poll::Ready(time);
                }
                ready!(self.0.poll_stash(cx));
            }
        })
        .await
    }

    /// Sends a ping of at most 125 bytes, and does not wait for the pong, which comes as [`Event::Pong`].
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), and where there are more than 125 bytes.
    ///
    /// # Cancel safety
    ///
    /// Safe: the ping is sent whole or not at all.
    pub fn send_ping(&mut self, data: impl Into<Bytes>) -> impl Future<Output = Result<(), Error>> + '_ {
        let mut data = Some(data.into());
        poll_fn(move |cx| self.0.poll_control(cx, &mut data, |driver, data| driver.send_ping(data)))
    }

    /// Sends a pong of at most 125 bytes that answers no ping, as a heartbeat in one direction (RFC 6455 §5.5.3). Pings are
    /// answered without it.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send), and [`SendError::ControlTooLong`]. The hixie drafts have no pongs.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the pong is sent whole or not at all.
    pub fn send_pong(&mut self, data: impl Into<Bytes>) -> impl Future<Output = Result<(), Error>> + '_ {
        let mut data = Some(data.into());
        poll_fn(move |cx| self.0.poll_control(cx, &mut data, |driver, data| driver.send_pong(data)))
    }

    /// Queues a ping of at most 125 bytes, and waits for nothing: it leaves with the next [`flush`](Self::flush), or before
    /// [`recv`](Self::recv) waits. Use it where nothing can be awaited, as in an implementation of
    /// [`Sink`](futures_sink::Sink); otherwise use [`send_ping`](Self::send_ping).
    ///
    /// # Errors
    ///
    /// [`SendError::OutputFull`] if [`Config::max_output`](crate::Config::max_output) bytes wait to be written, and those of
    /// [`send_ping`](Self::send_ping) that are a [`SendError`].
    pub fn start_ping(&mut self, data: impl Into<Bytes>) -> Result<(), SendError> {
        self.0.connection.lock().start_control(data.into(), |driver, data| driver.send_ping(data))
    }

    /// Queues a pong of at most 125 bytes that answers no ping, as [`start_ping`](Self::start_ping) queues a ping.
    ///
    /// # Errors
    ///
    /// Those of [`start_ping`](Self::start_ping).
    pub fn start_pong(&mut self, data: impl Into<Bytes>) -> Result<(), SendError> {
        self.0.connection.lock().start_control(data.into(), |driver, data| driver.send_pong(data))
    }

    /// Sets whether [`next_event`](Self::next_event) reports the pongs that answer keepalive pings, which are sent by
    /// [`Config::ping_interval`](crate::Config::ping_interval). Default: `true`. Pongs to other pings, and those that answer
    /// none, are reported in any case.
    pub fn set_keepalive_pongs(&mut self, are_reported: bool) {
        self.0.connection.lock().set_keepalive_pongs(are_reported);
    }

    /// Closes the connection: sends the close, waits for the peer to answer it, at most
    /// [`Config::close_timeout`](crate::Config::close_timeout), and ends the transport. Messages that still come are
    /// dropped. On a connection that is closing already it waits for the end.
    ///
    /// [`CloseCode::NO_STATUS`] sends a close frame without a body. The hixie drafts transmit neither code nor reason.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] for a code that may not be sent or a reason over 123 bytes; [`Error::Io`] where the transport
    /// failed before the end.
    ///
    /// # Cancel safety
    ///
    /// Safe: once polled, the close is under way, and [`recv`](Self::recv) or another `close` completes it.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.0.connection.lock().start_close(code, reason)?;
        while let Some(event) = self.next_event().await {
            event?;
        }
        Ok(())
    }

    /// Begins to close, and leaves it to [`recv`](Self::recv) or [`next_event`](Self::next_event) to go on, for who wants to see
    /// what still comes. It waits for nothing: the close leaves with the next flush.
    ///
    /// # Errors
    ///
    /// [`Error::Send`], as of [`close`](Self::close).
    pub fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        Ok(self.0.connection.lock().start_close(code, reason)?)
    }

    /// Splits the socket into a sender and a reader, for use in two tasks. Shadows `StreamExt::split`, which would add another
    /// lock; they are a [`Sink`](futures_sink::Sink) and a [`Stream`](futures_core::Stream), too.
    ///
    /// The sender and its clones keep the connection open. Dropping the reader only ends receiving: messages and a close that are
    /// sent later still reach the peer. The [senders](WebSocketReader::sender) of the reader do not keep it open.
    #[must_use]
    pub fn split(self) -> (WebSocketSender<T>, WebSocketReader<T>) {
        (WebSocketSender::owning(&self.0.connection), WebSocketReader::new(self))
    }

    /// Returns a sender for this socket, for use in other tasks. It does not keep the connection open: once the socket is
    /// dropped, sending is refused. Those of [`split`](Self::split) do.
    #[must_use]
    pub fn sender(&self) -> WebSocketSender<T> {
        WebSocketSender::new(&self.0.connection)
    }

    /// Whether the messages sent from here on may be compressed, where that was agreed to: they may, by default. A message
    /// that holds a secret beside text that somebody else chose should not be (RFC 7692 §8).
    pub fn set_compression(&mut self, may_compress: bool) {
        self.0.connection.lock().driver_mut().set_compression(may_compress);
    }

    /// Adds the socket to those that a shutdown closes. If the shutdown has begun, the socket is closed at once.
    pub fn join_shutdown(&mut self, shutdown: &Shutdown) {
        self.join(shutdown.join());
    }

    pub(crate) fn join(&mut self, membership: Membership) {
        self.0.connection.join(membership);
    }

    /// The subprotocol that was agreed to.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.0.protocol.as_deref()
    }

    /// The protocol that is spoken.
    #[must_use]
    pub fn version(&self) -> Version {
        self.0.version
    }

    /// How the connection was closed, once it was: the peer's code and reason, or
    /// [`CloseCode::ABNORMAL`] where the transport ended without a close.
    #[must_use]
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.0.close_frame.as_deref()
    }

    /// Why the connection ended: once it has, or is about to, where this side closes. It tells more than
    /// [`close_frame`](Self::close_frame): which limit, which timeout, which rule of the protocol.
    ///
    /// ```
    /// # use tower_websocket::WebSocket;
    /// async fn log(mut socket: WebSocket) {
    ///     while let Some(Ok(message)) = socket.recv().await {
    ///         println!("{message:?}");
    ///     }
    ///     if let Some(cause) = socket.close_cause() {
    ///         println!("{cause}");
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn close_cause(&self) -> Option<CloseCause> {
        self.0.connection.lock().driver().close_cause().cloned()
    }

    /// How many bytes the connection holds, see [`Driver::memory`](websocket_driver::Driver::memory).
    #[must_use]
    pub fn memory(&self) -> usize {
        self.0.connection.lock().driver().memory()
    }

    /// The request, where [`accept`](fn@crate::accept) has read it. The layer gives it to the handler instead.
    #[must_use]
    pub fn request(&self) -> Option<&Request<()>> {
        self.0.request.as_deref()
    }

    /// Takes that request, for who wants to keep it elsewhere, or has seen enough of it: its headers are most of what an idle
    /// socket holds.
    pub fn take_request(&mut self) -> Option<Request<()>> {
        self.0.request.take().map(|request| *request)
    }
}

/// Without messages, headers and the subprotocol, which may be secret. It takes no lock, as it may be called where one is held.
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
