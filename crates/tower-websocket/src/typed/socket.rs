use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use tokio::io::{AsyncRead, AsyncWrite};

use super::codec::{Decode, Encode};
use super::error::TypedError;
use super::sender::TypedSender;
use crate::socket::WebSocket;
use crate::transport::upgraded::Upgraded;

/// A socket of values, which receives `In` and sends `Out` by the encoding `C`. With the feature
/// `json`, see
/// [`JsonSocket`](https://docs.rs/tower-websocket/latest/tower_websocket/typed/type.JsonSocket.html).
///
/// Operations that do not depend on the type of the values, such as closing and pings, are those of
/// the underlying socket, which [`get_mut`](Self::get_mut) returns.
///
/// # Invalid messages
///
/// A message that cannot be decoded closes the connection, with the code of the
/// [`DecodeError`](crate::typed::DecodeError), and is returned by [`recv`](Self::recv) as an error.
/// Later messages are dropped. Messages over
/// [`Config::max_message_size`](crate::Config::max_message_size) close it with 1009, as on every
/// socket.
pub struct TypedSocket<C, In, Out, T = Upgraded> {
    socket: WebSocket<T>,
    codec: C,
    /// Whether a message was invalid.
    has_failed: bool,
    values: PhantomData<fn(&Out) -> In>,
}

impl<C, In, Out, T: AsyncRead + AsyncWrite + Unpin + Send + 'static> TypedSocket<C, In, Out, T> {
    /// Creates a socket of values over a socket of messages.
    pub fn new(socket: WebSocket<T>, codec: C) -> Self {
        Self { socket, codec, has_failed: false, values: PhantomData }
    }

    /// Returns the socket.
    pub fn get_ref(&self) -> &WebSocket<T> {
        &self.socket
    }

    /// Returns the socket, for example to close it. Messages received from it are not received here.
    pub fn get_mut(&mut self) -> &mut WebSocket<T> {
        &mut self.socket
    }

    /// Converts it to the socket.
    pub fn into_inner(self) -> WebSocket<T> {
        self.socket
    }

    /// Receives the next value, or `None` when the connection has ended.
    ///
    /// # Errors
    ///
    /// [`TypedError::Socket`], same as [`WebSocket::recv`]; [`TypedError::Decode`] for an invalid
    /// message, which closes the connection. Either is followed by `None`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no value is lost.
    pub fn recv(&mut self) -> impl Future<Output = Option<Result<In, TypedError>>> + '_
    where
        C: Decode<In>,
    {
        poll_fn(|cx| self.poll_recv(cx))
    }

    /// Sends a value.
    ///
    /// # Errors
    ///
    /// [`TypedError::Encode`] if the value has no encoding, in which case nothing was sent;
    /// [`TypedError::Socket`], same as [`WebSocket::send`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the value is sent whole or not at all.
    pub fn send<'a>(&'a mut self, value: &Out) -> impl Future<Output = Result<(), TypedError>> + use<'a, C, In, Out, T>
    where
        C: Encode<Out>,
    {
        // At once, so that the future does not borrow the value, which need not be `Sync`.
        let encoded = self.codec.encode(value);
        async { Ok(self.socket.send(encoded?).await?) }
    }

    /// Returns a sender for use in other tasks. It does not keep the connection open.
    #[must_use]
    pub fn sender(&self) -> TypedSender<C, Out, T>
    where
        C: Clone,
    {
        TypedSender::new(self.socket.sender(), self.codec.clone())
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<In, TypedError>>>
    where
        C: Decode<In>,
    {
        loop {
            let message = match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(_)) if self.has_failed => continue,
                Some(Ok(message)) => message,
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => return Poll::Ready(None),
            };
            let decoded = self.codec.decode(message);
            if let Err(error) = &decoded {
                self.has_failed = true;
                // Fails only on a connection that is closing, which is what is wanted. The
                // background writes it.
                let _ = self.socket.start_close(error.close_code(), &error.to_string());
            }
            return Poll::Ready(Some(decoded.map_err(TypedError::Decode)));
        }
    }
}

/// Same as [`TypedSocket::recv`].
impl<C, In, Out, T> Stream for TypedSocket<C, In, Out, T>
where
    C: Decode<In> + Unpin,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Item = Result<In, TypedError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_recv(cx)
    }
}

impl<C, In, Out, T> FusedStream for TypedSocket<C, In, Out, T>
where
    C: Decode<In> + Unpin,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    fn is_terminated(&self) -> bool {
        self.socket.is_terminated()
    }
}

impl<C, In, Out, T> fmt::Debug for TypedSocket<C, In, Out, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedSocket").field("socket", &self.socket).finish_non_exhaustive()
    }
}
