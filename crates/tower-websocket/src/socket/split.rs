use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::{FusedStream, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use websocket_driver::{CloseCause, CloseFrame, Event, Message, MessageRef, Version};

use crate::error::Error;
use crate::socket::WebSocket;
use crate::socket::incoming::IncomingMessage;
use crate::socket::replies::Responder;
use crate::socket::sender::WebSocketSender;
use crate::transport::upgraded::Upgraded;

/// The receiving half of a [`WebSocket`], returned by [`WebSocket::split`]. It drives the
/// connection as the socket does. Dropping it only ends receiving; the sender keeps the connection
/// open.
///
/// ```
/// # use tower_websocket::WebSocket;
/// async fn serve(socket: WebSocket) {
///     let (sender, mut reader) = socket.split();
///     let ticks = tokio::spawn(async move {
///         while sender.send("tick").await.is_ok() {
///             tokio::time::sleep(std::time::Duration::from_secs(1)).await;
///         }
///     });
///     while let Some(Ok(message)) = reader.recv().await {
///         println!("{message:?}");
///     }
///     ticks.abort();
/// }
/// ```
#[derive(Debug)]
pub struct WebSocketReader<T = Upgraded>(WebSocket<T>);

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> WebSocketReader<T> {
    pub(crate) fn new(socket: WebSocket<T>) -> Self {
        Self(socket)
    }

    /// Same as [`WebSocket::recv`], including its errors and cancel safety.
    pub fn recv(&mut self) -> impl Future<Output = Option<Result<Message, Error>>> + '_ {
        self.0.recv()
    }

    /// Same as [`WebSocket::recv_stream`], including its errors and cancel safety.
    pub async fn recv_stream(&mut self, limit: u64) -> Option<Result<IncomingMessage<'_, T>, Error>> {
        self.0.recv_stream(limit).await
    }

    /// Same as [`WebSocket::for_each_borrowed`], including its errors and cancel safety.
    pub fn for_each_borrowed<F>(&mut self, handle: F) -> impl Future<Output = Result<(), Error>> + use<'_, T, F>
    where
        F: FnMut(MessageRef<'_>, &mut Responder<'_>),
    {
        self.0.for_each_borrowed(handle)
    }

    /// Same as [`WebSocket::next_event`], including its errors and cancel safety.
    pub fn next_event(&mut self) -> impl Future<Output = Option<Result<Event, Error>>> + '_ {
        self.0.next_event()
    }

    /// Returns another sender, which does not keep the connection open.
    #[must_use]
    pub fn sender(&self) -> WebSocketSender<T> {
        self.0.sender()
    }

    /// Returns the negotiated subprotocol.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.0.protocol()
    }

    /// Returns the protocol version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.0.version()
    }

    /// Same as [`WebSocket::close_frame`].
    #[must_use]
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.0.close_frame()
    }

    /// Same as [`WebSocket::close_cause`].
    #[must_use]
    pub fn close_cause(&self) -> Option<CloseCause> {
        self.0.close_cause()
    }

    /// Returns the whole socket. Existing senders are unchanged, and those of
    /// [`WebSocket::split`] still keep the connection open.
    #[must_use]
    pub fn into_inner(self) -> WebSocket<T> {
        self.0
    }
}

/// Same as [`WebSocketReader::recv`].
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for WebSocketReader<T> {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.get_mut().0).poll_next(cx)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> FusedStream for WebSocketReader<T> {
    fn is_terminated(&self) -> bool {
        self.0.is_terminated()
    }
}
