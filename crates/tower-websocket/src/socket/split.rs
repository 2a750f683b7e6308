use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::{FusedStream, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use websocket_driver::{CloseCause, CloseFrame, Event, Message, MessageRef, Version};

use crate::error::Error;
use crate::socket::WebSocket;
use crate::socket::replies::Responder;
use crate::socket::sender::WebSocketSender;
use crate::transport::upgraded::Upgraded;

/// The receiving half of a [`WebSocket`], from [`WebSocket::split`]. It drives the connection as the socket does. When it is dropped,
/// nothing is received any more; the sender keeps the connection open.
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

    /// As [`WebSocket::recv`], in its errors and cancel safety as well.
    pub fn recv(&mut self) -> impl Future<Output = Option<Result<Message, Error>>> + '_ {
        self.0.recv()
    }

    /// As [`WebSocket::for_each_borrowed`], in its errors and cancel safety as well.
    pub fn for_each_borrowed<F>(&mut self, handle: F) -> impl Future<Output = Result<(), Error>> + use<'_, T, F>
    where
        F: FnMut(MessageRef<'_>, &mut Responder<'_>),
    {
        self.0.for_each_borrowed(handle)
    }

    /// As [`WebSocket::next_event`], in its errors and cancel safety as well.
    pub fn next_event(&mut self) -> impl Future<Output = Option<Result<Event, Error>>> + '_ {
        self.0.next_event()
    }

    /// Another sender.
    #[must_use]
    pub fn sender(&self) -> WebSocketSender<T> {
        self.0.sender()
    }

    /// The subprotocol that was agreed to.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.0.protocol()
    }

    /// The protocol that is spoken.
    #[must_use]
    pub fn version(&self) -> Version {
        self.0.version()
    }

    /// As [`WebSocket::close_frame`].
    #[must_use]
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.0.close_frame()
    }

    /// As [`WebSocket::close_cause`].
    #[must_use]
    pub fn close_cause(&self) -> Option<CloseCause> {
        self.0.close_cause()
    }

    /// The whole socket again. Senders that are there stay what they are.
    #[must_use]
    pub fn into_inner(self) -> WebSocket<T> {
        self.0
    }
}

/// As [`WebSocketReader::recv`].
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
