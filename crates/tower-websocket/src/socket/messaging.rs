//! The methods of a socket: receiving, sending and closing, and its properties.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use websocket_driver::{
    Batch, CloseCause, CloseCode, CloseFrame, Event, Message, MessageKind, MessageRef, PreparedMessage, SendError,
    Version,
};

use super::incoming::IncomingMessage;
use super::link::Link;
use super::outgoing::OutgoingMessage;
use super::{Inner, WebSocket};
use crate::connection::Connection;
use crate::connection::shared::Owner;
use crate::error::Error;
use crate::held::Held;
use crate::shutdown::Shutdown;
use crate::shutdown::members::Membership;
use crate::socket::replies::Responder;
use crate::socket::sender::WebSocketSender;
use crate::socket::split::WebSocketReader;
use crate::transport::tcp;

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> WebSocket<T> {
    pub(crate) fn new(mut connection: Connection<T>) -> Self {
        if let Some(interval) = connection.driver().timeouts().ping_interval
            && connection.driver().version().is_some_and(Version::is_hixie)
            && let Some(io) = connection.io()
        {
            tcp::keep_alive(io, interval);
        }
        let driver = connection.driver_mut();
        let protocol = driver.take_protocol();
        let request = driver.take_request().map(Box::new);
        let version = driver.version().unwrap_or(Version::Hybi13);
        // Allocated before the connection. Measured with the axum extractor and glibc: the other way
        // around, an idle socket needs a tenth more memory, which is lost between blocks.
        let socket = Box::new_uninit();
        let inner = Inner {
            batch: Batch::default(),
            stash: None,
            protocol,
            request,
            close_frame: None,
            version,
            has_room: false,
            is_finished: false,
            connection: Owner::open(connection),
        };
        Self(Box::write(socket, inner))
    }

    /// Receives the next message. Returns `None` when the connection has ended: see
    /// [`close_frame`](Self::close_frame).
    ///
    /// Before waiting, writes queued messages, such as those of [`feed`](Self::feed). It also
    /// receives while the peer does not accept them: only sending waits then.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] and [`Error::Protocol`], at most one of them, followed by `None`. In the
    /// second case, the close frame with the reason has been sent to the peer.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no message is lost.
    pub fn recv(&mut self) -> impl Future<Output = Option<Result<Message, Error>>> + '_ {
        poll_fn(|cx| self.0.poll_recv(cx))
    }

    /// Receives the next message while it arrives, in memory that does not depend on its size, or
    /// `None` when the connection has ended. It returns when the message has begun.
    ///
    /// The message may have up to `limit` bytes, also after decompression, and any number of
    /// fragments; a longer one closes the connection with 1009.
    /// [`Config::max_message_size`](crate::Config::max_message_size) does not apply, except to
    /// compressed messages of extensions that cannot decompress in pieces, which permessage-deflate
    /// can. In the hixie drafts, whose frames do not contain their size, messages are received whole,
    /// within both limits.
    ///
    /// ```
    /// # use tower_websocket::{Error, WebSocket};
    /// use tokio::io::{AsyncWrite, AsyncWriteExt};
    ///
    /// async fn store(socket: &mut WebSocket, file: &mut (impl AsyncWrite + Unpin)) -> Result<(), Error> {
    ///     while let Some(message) = socket.recv_stream(8 << 30).await {
    ///         let mut message = message?;
    ///         while let Some(chunk) = message.chunk().await? {
    ///             file.write_all(&chunk).await?;
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Same as [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no message is lost, and the next one can be received in either way. Once an
    /// [`IncomingMessage`] was returned, dropping it discards the rest of the message.
    pub async fn recv_stream(&mut self, limit: u64) -> Option<Result<IncomingMessage<'_, T>, Error>> {
        match poll_fn(|cx| self.0.poll_recv_stream(cx, limit)).await? {
            Ok(first) => Some(Ok(IncomingMessage::new(self, first))),
            Err(error) => Some(Err(error)),
        }
    }

    /// Returns a message to write to, in fragments, so that it need not be in memory as a whole. It
    /// begins with the first write, and must be ended by [`finish`](OutgoingMessage::finish).
    ///
    /// To receive in the meantime, use [`WebSocketSender::send_stream`].
    ///
    /// ```
    /// # use tower_websocket::{MessageKind, WebSocket};
    /// use tokio::io::{AsyncRead, copy};
    ///
    /// async fn send_file(socket: &mut WebSocket, file: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
    ///     let mut message = socket.send_stream(MessageKind::Binary);
    ///     copy(file, &mut message).await?;
    ///     Ok(message.finish().await?)
    /// }
    /// ```
    #[must_use]
    pub fn send_stream(&mut self, kind: MessageKind) -> OutgoingMessage<'_, T> {
        OutgoingMessage::new(Link::Weak(self.0.connection.downgrade()), kind)
    }

    /// Passes each received message to `handle`, together with a [`Responder`], until the
    /// connection ends. The message is borrowed from the receive buffer, and replies are collected
    /// and written together. This is the fastest way to serve many small messages with handlers
    /// that do not await.
    ///
    /// While the peer does not accept the replies, no further message is passed to `handle`.
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
    /// [`Error::Io`] and [`Error::Protocol`], same as [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: remaining messages are received by the next `for_each_borrowed` or
    /// [`recv`](Self::recv).
    pub fn for_each_borrowed<F>(&mut self, mut handle: F) -> impl Future<Output = Result<(), Error>> + use<'_, T, F>
    where
        F: FnMut(MessageRef<'_>, &mut Responder<'_>),
    {
        poll_fn(move |cx| self.0.poll_for_each(cx, &mut handle))
    }

    /// Receives the next event, including pings, pongs and the progress of the close. Otherwise the
    /// same as [`recv`](Self::recv), but a violation of the protocol is reported as
    /// [`Event::Error`].
    ///
    /// # Errors
    ///
    /// [`Error::Io`], followed by [`Event::Close`], then `None`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no event is lost.
    pub fn next_event(&mut self) -> impl Future<Output = Option<Result<Event, Error>>> + '_ {
        poll_fn(|cx| self.0.poll_next_event(cx))
    }

    /// Sends a message.
    ///
    /// The message is written immediately, unless further messages have already been received. In
    /// this case it is written together with the replies to those, after the last one or as soon as
    /// the task waits. This makes a simple loop of `recv` and `send` fast. [`flush`](Self::flush)
    /// always writes.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if the connection is closing or its protocol does not support binary
    /// messages; [`Error::Io`] if the transport failed.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the message is sent completely or not at all.
    #[inline]
    pub fn send(&mut self, message: impl Into<Message>) -> impl Future<Output = Result<(), Error>> + '_ {
        let mut message = Some(message.into());
        poll_fn(move |cx| self.0.poll_send(cx, &mut message))
    }

    /// Sends a prepared message, which can be shared by many sockets, like [`send`](Self::send).
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
    /// Same as [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the message is sent completely or not at all.
    pub fn send_prepared<'a>(
        &'a mut self,
        prepared: &'a PreparedMessage,
    ) -> impl Future<Output = Result<(), Error>> + 'a {
        let mut prepared = Some(prepared);
        poll_fn(move |cx| self.0.poll_send_prepared(cx, &mut prepared))
    }

    /// Queues a message, to be written together with others: by [`flush`](Self::flush), by
    /// [`recv`](Self::recv) before it waits, or when
    /// [`Config::max_output`](crate::Config::max_output) bytes are queued.
    ///
    /// # Errors
    ///
    /// Same as [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the message is queued completely or not at all.
    pub fn feed(&mut self, message: impl Into<Message>) -> impl Future<Output = Result<(), Error>> + '_ {
        let mut message = Some(message.into());
        poll_fn(move |cx| self.0.connection.lock().poll_feed(cx, &mut message))
    }

    /// Writes all queued messages.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the transport failed.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the next flush continues.
    pub fn flush(&mut self) -> impl Future<Output = Result<(), Error>> + '_ {
        poll_fn(|cx| self.0.poll_flush(cx))
    }

    /// Pings the peer, and waits for the pong to this ping or to a later one. Returns the
    /// round-trip time. Messages that arrive before the pong are stored for [`recv`](Self::recv),
    /// up to [`Config::max_output`](crate::Config::max_output) bytes, after which reading stops. If
    /// another task receives, use [`WebSocketSender::ping`].
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
    /// The errors of [`send`](Self::send); [`Error::NoPong`] if no pong is received within
    /// [`Config::pong_timeout`](crate::Config::pong_timeout).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no message is lost, and the ping is sent completely or not at all.
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

    /// Sends a ping of at most 125 bytes, without waiting for the pong, which is reported as
    /// [`Event::Pong`].
    ///
    /// # Errors
    ///
    /// The errors of [`send`](Self::send), and [`SendError::ControlTooLong`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the ping is sent completely or not at all.
    pub fn send_ping(&mut self, data: impl Into<Bytes>) -> impl Future<Output = Result<(), Error>> + '_ {
        let mut data = Some(data.into());
        poll_fn(move |cx| self.0.poll_control(cx, &mut data, |driver, data| driver.send_ping(data)))
    }

    /// Sends an unsolicited pong of at most 125 bytes, as a unidirectional heartbeat (RFC 6455
    /// §5.5.3). Pings are answered automatically.
    ///
    /// # Errors
    ///
    /// The errors of [`send`](Self::send), and [`SendError::ControlTooLong`]. The hixie drafts have
    /// no pongs.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the pong is sent completely or not at all.
    pub fn send_pong(&mut self, data: impl Into<Bytes>) -> impl Future<Output = Result<(), Error>> + '_ {
        let mut data = Some(data.into());
        poll_fn(move |cx| self.0.poll_control(cx, &mut data, |driver, data| driver.send_pong(data)))
    }

    /// Queues a ping of at most 125 bytes without waiting. It is written by the next
    /// [`flush`](Self::flush), or by [`recv`](Self::recv) before it waits. Use this where nothing
    /// can be awaited, for example in an implementation of [`Sink`](futures_sink::Sink); otherwise
    /// use [`send_ping`](Self::send_ping).
    ///
    /// # Errors
    ///
    /// [`SendError::OutputFull`] if [`Config::max_output`](crate::Config::max_output) bytes are
    /// waiting to be written, and the errors of [`send_ping`](Self::send_ping) that are a
    /// [`SendError`].
    pub fn start_ping(&mut self, data: impl Into<Bytes>) -> Result<(), SendError> {
        self.0.connection.lock().start_control(data.into(), |driver, data| driver.send_ping(data))
    }

    /// Queues an unsolicited pong of at most 125 bytes, like [`start_ping`](Self::start_ping).
    ///
    /// # Errors
    ///
    /// Same as [`start_ping`](Self::start_ping).
    pub fn start_pong(&mut self, data: impl Into<Bytes>) -> Result<(), SendError> {
        self.0.connection.lock().start_control(data.into(), |driver, data| driver.send_pong(data))
    }

    /// Sets whether [`next_event`](Self::next_event) reports the pongs to keepalive pings, which
    /// are sent according to [`Config::ping_interval`](crate::Config::ping_interval). Default:
    /// `true`. Pongs to other pings and unsolicited pongs are always reported.
    pub fn set_keepalive_pongs(&mut self, are_reported: bool) {
        self.0.connection.lock().set_keepalive_pongs(are_reported);
    }

    /// Closes the connection: sends a close frame, waits for the peer's answer for at most
    /// [`Config::close_timeout`](crate::Config::close_timeout), and closes the transport. Messages
    /// that are still received are dropped. If the connection is already closing, waits for its
    /// end.
    ///
    /// [`CloseCode::NO_STATUS`] sends a close frame without a body. The hixie drafts transmit
    /// neither code nor reason.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] for a code that must not be sent or a reason of more than 123 bytes;
    /// [`Error::Io`] if the transport failed before the close was complete.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: once polled, the close has started, and [`recv`](Self::recv) or another `close`
    /// completes it.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.0.connection.lock().start_close(code, reason)?;
        while let Some(event) = self.next_event().await {
            event?;
        }
        Ok(())
    }

    /// Starts to close without waiting: the close frame is written by the next flush.
    /// [`recv`](Self::recv) or [`next_event`](Self::next_event) continues the close, and returns
    /// the messages that are still received.
    ///
    /// # Errors
    ///
    /// [`Error::Send`], same as [`close`](Self::close).
    pub fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        Ok(self.0.connection.lock().start_close(code, reason)?)
    }

    /// Splits the socket into a sender and a reader, for use in two tasks. Shadows
    /// `StreamExt::split`, which would add another lock. The halves also implement
    /// [`Sink`](futures_sink::Sink) and [`Stream`](futures_core::Stream).
    ///
    /// The sender and its clones keep the connection open. Dropping the reader only ends receiving:
    /// messages and a close that are sent later still reach the peer. The
    /// [senders](WebSocketReader::sender) of the reader do not keep the connection open.
    #[must_use]
    pub fn split(self) -> (WebSocketSender<T>, WebSocketReader<T>) {
        (WebSocketSender::owning(&self.0.connection), WebSocketReader::new(self))
    }

    /// Returns a sender for this socket, for use in other tasks. It does not keep the connection
    /// open: once the socket is dropped, sending fails. The sender returned by
    /// [`split`](Self::split) does keep it open.
    #[must_use]
    pub fn sender(&self) -> WebSocketSender<T> {
        WebSocketSender::new(&self.0.connection)
    }

    /// Sets whether messages sent from now on may be compressed, if compression was negotiated.
    /// Default: `true`. Disable it for messages that contain both a secret and text from an
    /// attacker (RFC 7692 §8).
    pub fn set_compression(&mut self, may_compress: bool) {
        self.0.connection.lock().driver_mut().set_compression(may_compress);
    }

    /// Adds the socket to those that a shutdown closes. If the shutdown has begun, the socket is
    /// closed at once.
    pub fn join_shutdown(&mut self, shutdown: &Shutdown) {
        self.join(shutdown.join());
    }

    /// Keeps a guard until the connection is dropped: the socket and the senders of its split are
    /// dropped then, and its last bytes written. Guards are values that do something on drop, such
    /// as a [`ConnectionPermit`](crate::limit::ConnectionPermit), a permit of a semaphore or a
    /// gauge.
    pub fn hold(&mut self, guard: impl Send + 'static) {
        let mut held = Held::default();
        held.push(guard);
        self.0.connection.lock().hold(held);
    }

    pub(crate) fn join(&mut self, membership: Membership) {
        self.0.connection.join(membership);
    }

    /// Returns the negotiated subprotocol.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.0.protocol.as_deref()
    }

    /// Returns the protocol version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.0.version
    }

    /// Returns how the connection was closed, once it was: the peer's code and reason, or
    /// [`CloseCode::ABNORMAL`] if the transport ended without a close frame.
    #[must_use]
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.0.close_frame.as_deref()
    }

    /// Returns why the connection ended, once it has, or why it is about to if this side closes it.
    /// This is more detailed than [`close_frame`](Self::close_frame): it contains the exceeded
    /// limit, the expired timeout or the violated rule of the protocol.
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

    /// Returns the memory of the connection in bytes; see
    /// [`Driver::memory`](websocket_driver::Driver::memory).
    #[must_use]
    pub fn memory(&self) -> usize {
        self.0.connection.lock().driver().memory()
    }

    /// Returns the request, if [`accept`](fn@crate::accept) has read it. With the layer, the
    /// handler receives the request instead.
    #[must_use]
    pub fn request(&self) -> Option<&Request<()>> {
        self.0.request.as_deref()
    }

    /// Takes the request that [`accept`](fn@crate::accept) has read, to store it elsewhere or to
    /// free its memory: the headers are most of the memory of an idle socket.
    pub fn take_request(&mut self) -> Option<Request<()>> {
        self.0.request.take().map(|request| *request)
    }
}
