use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::timeout;
use websocket_driver::{CloseCode, Message, MessageKind, PreparedBatch, PreparedMessage, SendError};

use crate::connection::shared::Owner;
use crate::connection::{Connection, WakerSlot};
use crate::error::Error;
use crate::socket::link::Link;
use crate::socket::outgoing::OutgoingMessage;
use crate::transport::upgraded::Upgraded;

/// A sender for a [`WebSocket`](crate::WebSocket) that can be cloned and used from several tasks
/// while another one receives. The messages of each task keep their order.
///
/// A sender returned by [`WebSocket::split`](crate::WebSocket::split), and its clones, keep the
/// connection open until they are dropped, even if the reader is dropped before. A sender returned
/// by [`WebSocket::sender`](crate::WebSocket::sender) or
/// [`WebSocketReader::sender`](crate::WebSocketReader::sender) does not: when the others are
/// dropped, its methods fail with [`SendError::Closed`].
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
    link: Link<T>,
    /// For the `Sink` implementation, while it is not ready.
    waker: WakerSlot,
    /// Whether `Sink::poll_ready` has returned `Ready` since the last message.
    has_room: bool,
}

/// The condition that a sender waits for before it sends.
#[derive(Debug, Clone, Copy)]
enum Room {
    /// Room in the output, and the end of a message that is sent in fragments.
    Message,
    /// Room in the output.
    Control,
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> WebSocketSender<T> {
    pub(crate) fn new(connection: &Owner<T, true>) -> Self {
        Self { link: Link::Weak(connection.downgrade()), waker: WakerSlot::default(), has_room: false }
    }

    /// Creates a sender that keeps the connection open.
    pub(crate) fn owning(connection: &Owner<T, true>) -> Self {
        Self { link: Link::Owner(connection.add_sender()), waker: WakerSlot::default(), has_room: false }
    }

    /// Sends a message, and waits until it is written. If
    /// [`Config::max_output`](crate::Config::max_output) bytes are waiting to be written, waits for
    /// room first.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if the connection is closing or gone, or its protocol does not support
    /// binary messages; [`Error::Io`] if the transport failed or timed out before the message was
    /// written.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the message is sent completely or not at all.
    pub fn send(&self, message: impl Into<Message>) -> impl Future<Output = Result<(), Error>> + '_ {
        self.send_with(message.into(), Room::Message, |connection, message| {
            connection.send(|driver| driver.send(message))
        })
    }

    /// Sends a prepared message, which can be shared by many sockets.
    ///
    /// # Errors
    ///
    /// Same as [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the message is sent completely or not at all.
    pub fn send_prepared<'a>(&'a self, prepared: &'a PreparedMessage) -> impl Future<Output = Result<(), Error>> + 'a {
        self.send_with(prepared, Room::Message, |connection, prepared| connection.send_prepared(prepared))
    }

    /// Sends a message if there is room for it, without waiting; it is written in the background.
    /// This way messages to a slow peer can be dropped. Messages that are sent before the task
    /// yields are written together.
    ///
    /// Outside of a tokio runtime, the runtime that opened the connection writes the message.
    ///
    /// # Errors
    ///
    /// [`SendError::OutputFull`] if [`Config::max_output`](crate::Config::max_output) bytes are
    /// waiting to be written, [`SendError::MessageUnfinished`] while another message is
    /// [sent in fragments](Self::send_stream), and the errors of [`send`](Self::send) that are a
    /// [`SendError`].
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        let connection = self.link.connection().ok_or(SendError::Closed)?;
        // Converted without the lock, as this calls the caller's code.
        let message = message.into();
        connection.lock().try_send(|driver| driver.send(message))
    }

    /// Sends a prepared message if there is room for it, like [`try_send`](Self::try_send).
    ///
    /// ```
    /// # use tower_websocket::{PreparedMessage, WebSocketSender};
    /// fn broadcast(senders: &mut Vec<WebSocketSender>, news: &str) {
    ///     let news = PreparedMessage::new(news);
    ///     senders.retain(|sender| sender.try_send_prepared(&news).is_ok());
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Same as [`try_send`](Self::try_send).
    pub fn try_send_prepared(&self, prepared: &PreparedMessage) -> Result<(), SendError> {
        let connection = self.link.connection().ok_or(SendError::Closed)?;
        connection.lock().try_send(|driver| driver.send_prepared(prepared))
    }

    /// Sends as many prepared messages as there is room for, and writes them immediately, in one
    /// write if the transport accepts them all.
    ///
    /// Returns the number of messages sent; if it is less than `messages.len()`,
    /// [`Config::max_output`](crate::Config::max_output) bytes are waiting to be written. Does not
    /// wait: output that the transport does not accept is written in the background.
    ///
    /// ```
    /// # use tower_websocket::{PreparedMessage, WebSocketSender};
    /// fn broadcast(senders: &mut Vec<WebSocketSender>, news: &[&PreparedMessage]) {
    ///     senders.retain(|sender| sender.try_send_batch(news).is_ok_and(|sent| sent == news.len()));
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`try_send`](Self::try_send) except [`SendError::OutputFull`], if the first
    /// message is refused. If a later one is, the number of messages before it is returned.
    pub fn try_send_batch(&self, messages: &[&PreparedMessage]) -> Result<usize, SendError> {
        let connection = self.link.connection().ok_or(SendError::Closed)?;
        connection.lock().try_send_batch(messages)
    }

    /// Sends messages like [`try_send_batch`](Self::try_send_batch), joined once for all sockets, so
    /// that a burst costs each socket as much as one message.
    ///
    /// ```
    /// # use tower_websocket::{PreparedBatch, WebSocketSender};
    /// fn broadcast(senders: &mut Vec<WebSocketSender>, news: &PreparedBatch) {
    ///     senders.retain(|sender| sender.try_send_joined(news).is_ok_and(|sent| sent == news.messages().len()));
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Same as [`try_send_batch`](Self::try_send_batch).
    pub fn try_send_joined(&self, batch: &PreparedBatch) -> Result<usize, SendError> {
        let connection = self.link.connection().ok_or(SendError::Closed)?;
        connection.lock().try_send_joined(batch)
    }

    /// Waits until there is room for a message, after [`try_send`](Self::try_send) returned
    /// [`SendError::OutputFull`]. Another sender may use the room first.
    ///
    /// # Errors
    ///
    /// Same as [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub fn ready(&self) -> impl Future<Output = Result<(), Error>> + '_ {
        let mut waker = WakerSlot::default();
        poll_fn(move |cx| self.link.poll_with(|connection| connection.lock().poll_room(cx, &mut waker)))
    }

    /// Pings the peer, and waits for the pong to this ping or to a later one. Returns the
    /// round-trip time. Another task must be receiving, since the pong arrives among the messages.
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
    /// The errors of [`send`](Self::send); [`Error::NoPong`] if no pong is received within
    /// [`Config::pong_timeout`](crate::Config::pong_timeout) or before the connection ends, or if 16
    /// later pings are waiting for a pong.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the ping is sent completely or not at all.
    pub async fn ping(&self) -> Result<Duration, Error> {
        let (answered, pong) = oneshot::channel();
        let mut answered = Some(answered);
        let (mut waker, mut position) = (WakerSlot::default(), None);
        let limit = poll_fn(|cx| {
            self.link.poll_with(|connection| {
                let mut connection = connection.lock();
                ready!(connection.poll_timed_ping(cx, &mut answered, &mut waker))?;
                let position = *position.get_or_insert_with(|| connection.position());
                ready!(connection.poll_written(cx, position, &mut waker))?;
                Poll::Ready(Ok(connection.driver().timeouts().pong))
            })
        })
        .await?;
        timeout(limit, pong).await.ok().and_then(Result::ok).ok_or(Error::NoPong)
    }

    /// Returns a message to write to, in fragments, so that it need not be in memory as a whole. It
    /// begins with the first write, which waits until no other such message is unfinished, and must
    /// be ended by [`finish`](OutgoingMessage::finish).
    ///
    /// Other messages wait until it is finished, including those of the same task. It keeps the
    /// connection open if this sender does.
    ///
    /// ```
    /// # use tower_websocket::WebSocket;
    /// # async fn example(mut socket: WebSocket) -> std::io::Result<()> {
    /// // Echoes messages of any size while they arrive.
    /// let sender = socket.sender();
    /// while let Some(message) = socket.recv_stream(u64::MAX).await {
    ///     let mut message = message?;
    ///     let mut echo = sender.send_stream(message.kind());
    ///     tokio::io::copy(&mut message, &mut echo).await?;
    ///     echo.finish().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn send_stream(&self, kind: MessageKind) -> OutgoingMessage<'static, T> {
        OutgoingMessage::new(self.link.clone(), kind)
    }

    /// Sends a ping of at most 125 bytes, without waiting for the pong. The receiver gets the pong
    /// as [`Event::Pong`](crate::Event::Pong).
    ///
    /// # Errors
    ///
    /// The errors of [`send`](Self::send), and [`SendError::ControlTooLong`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the ping is sent completely or not at all.
    pub fn send_ping(&self, data: impl Into<Bytes>) -> impl Future<Output = Result<(), Error>> + '_ {
        self.send_with(data.into(), Room::Control, |connection, data| {
            connection.start_control(data, |driver, data| driver.send_ping(data))
        })
    }

    /// Sends an unsolicited pong of at most 125 bytes, as a unidirectional heartbeat (RFC 6455
    /// §5.5.3). Pings are answered automatically.
    ///
    /// # Errors
    ///
    /// The errors of [`send`](Self::send), and [`SendError::ControlTooLong`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the pong is sent completely or not at all.
    pub fn send_pong(&self, data: impl Into<Bytes>) -> impl Future<Output = Result<(), Error>> + '_ {
        self.send_with(data.into(), Room::Control, |connection, data| {
            connection.start_control(data, |driver, data| driver.send_pong(data))
        })
    }

    /// Queues a message, to be written together with others: by [`flush`](Self::flush), by the next
    /// message that is sent, by the receiver before it waits, or when
    /// [`Config::max_output`](crate::Config::max_output) bytes are queued. If that many bytes are
    /// waiting to be written, waits for room first.
    ///
    /// ```
    /// # use tower_websocket::{Error, WebSocketSender};
    /// async fn send_all(sender: &WebSocketSender, lines: &[&str]) -> Result<(), Error> {
    ///     for line in lines {
    ///         sender.feed(*line).await?;
    ///     }
    ///     sender.flush().await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Same as [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the message is queued completely or not at all.
    pub fn feed(&self, message: impl Into<Message>) -> impl Future<Output = Result<(), Error>> + '_ {
        let mut message = Some(message.into());
        let mut waker = WakerSlot::default();
        poll_fn(move |cx| {
            self.link.poll_with(|connection| {
                let mut connection = connection.lock();
                ready!(connection.poll_room(cx, &mut waker))?;
                if let Some(message) = message.take() {
                    connection.send(|driver| driver.send(message))?;
                }
                Poll::Ready(Ok(()))
            })
        })
    }

    /// Writes all queued messages, including those of other senders.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the transport failed before they were written; [`Error::Send`] if the
    /// connection is gone.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the next flush continues.
    pub fn flush(&self) -> impl Future<Output = Result<(), Error>> + '_ {
        let mut waker = WakerSlot::default();
        poll_fn(move |cx| self.link.poll_with(|connection| connection.lock().poll_written(cx, u64::MAX, &mut waker)))
    }

    /// Returns whether no message can be sent any more: the connection is closing or has ended, or
    /// nothing keeps it open.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.link.connection().is_none_or(|connection| connection.lock().is_closed())
    }

    /// Closes the connection: sends a close frame, and waits until the peer has answered it, for at
    /// most [`Config::close_timeout`](crate::Config::close_timeout).
    ///
    /// The socket or reader must receive the answer in another task. In the task that receives, use
    /// [`start_close`](Self::start_close). If the reader has been dropped, nothing is received any
    /// more, and the close is complete once its frame is written.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] for a code that must not be sent, a reason of more than 123 bytes, or a
    /// connection that is gone; [`Error::Io`] if the transport failed before the close was
    /// complete.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: once polled, the close continues in the background.
    pub async fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let position = self.queue_close(code, reason)?;
        let mut waker = WakerSlot::default();
        poll_fn(|cx| self.poll_close_from(cx, position, &mut waker)).await
    }

    /// Starts to close without waiting: the close frame is written in the background.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidCloseCode`], [`SendError::ReasonTooLong`], and [`SendError::Closed`] if
    /// the connection is gone.
    pub fn start_close(&self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        let connection = self.link.connection().ok_or(SendError::Closed)?;
        connection.lock().start_close(code, reason)
    }

    /// Queues a close frame. Returns the output position after it.
    fn queue_close(&self, code: CloseCode, reason: &str) -> Result<u64, Error> {
        let connection = self.link.connection().ok_or(SendError::Closed)?;
        let mut connection = connection.lock();
        connection.start_close(code, reason)?;
        Ok(connection.position())
    }

    /// Sends a message or ping once there is room, and waits until it is written.
    fn send_with<'a, M: 'a>(
        &'a self,
        message: M,
        room: Room,
        send: impl Fn(&mut Connection<T>, M) -> Result<(), SendError> + 'a,
    ) -> impl Future<Output = Result<(), Error>> + 'a {
        let mut message = Some(message);
        let (mut waker, mut position) = (WakerSlot::default(), 0);
        poll_fn(move |cx| {
            self.link.poll_with(|connection| {
                let mut connection = connection.lock();
                if message.is_some() {
                    ready!(match room {
                        Room::Message => connection.poll_room(cx, &mut waker),
                        Room::Control => connection.poll_output_room(cx, &mut waker),
                    })?;
                }
                if let Some(message) = message.take() {
                    send(&mut connection, message)?;
                    position = connection.position();
                }
                connection.poll_written(cx, position, &mut waker)
            })
        })
    }

    /// Waits until the close frame before this output position is written, and the close is
    /// complete.
    fn poll_close_from(&self, cx: &mut Context<'_>, position: u64, waker: &mut WakerSlot) -> Poll<Result<(), Error>> {
        self.link.poll_with(|connection| {
            let mut connection = connection.lock();
            ready!(connection.poll_written(cx, position, waker))?;
            connection.poll_closed(cx, waker).map(Ok)
        })
    }
}

/// Same as [`WebSocketSender::send`], and [`WebSocketSender::close`] with [`CloseCode::NORMAL`].
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Sink<Message> for WebSocketSender<T> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        let connection = this.link.connection().ok_or(SendError::Closed)?;
        ready!(connection.lock().poll_room(cx, &mut this.waker))?;
        this.has_room = true;
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        let this = self.get_mut();
        let has_room = mem::take(&mut this.has_room);
        let connection = this.link.connection().ok_or(SendError::Closed)?;
        Ok(connection.lock().start_send(message, has_room)?)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        let connection = this.link.connection().ok_or(SendError::Closed)?;
        connection.lock().poll_written(cx, u64::MAX, &mut this.waker)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        let position = this.queue_close(CloseCode::NORMAL, "")?;
        let mut waker = mem::take(&mut this.waker);
        let closed = this.poll_close_from(cx, position, &mut waker);
        this.waker = waker;
        closed
    }
}

impl<T> Clone for WebSocketSender<T> {
    fn clone(&self) -> Self {
        Self { link: self.link.clone(), waker: WakerSlot::default(), has_room: false }
    }
}

impl<T> fmt::Debug for WebSocketSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketSender").finish_non_exhaustive()
    }
}
