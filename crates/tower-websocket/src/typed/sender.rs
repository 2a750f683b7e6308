use std::fmt;
use std::future::Future;
use std::marker::PhantomData;

use tokio::io::{AsyncRead, AsyncWrite};

use super::codec::Encode;
use super::error::TypedError;
use crate::socket::sender::WebSocketSender;
use crate::transport::upgraded::Upgraded;

/// Sends values of the type `Out` on a [`TypedSocket`](crate::typed::TypedSocket) that another task
/// receives from.
///
/// ```
/// use tower_websocket::typed::{Encode, TypedError, TypedSender};
///
/// async fn announce<C: Encode<str>>(member: &TypedSender<C, str>) -> Result<(), TypedError> {
///     member.send("maintenance at noon").await
/// }
/// ```
pub struct TypedSender<C, Out: ?Sized, T = Upgraded> {
    sender: WebSocketSender<T>,
    codec: C,
    values: PhantomData<fn(&Out)>,
}

impl<C, Out: ?Sized, T> TypedSender<C, Out, T> {
    /// Creates a sender of values over a sender of messages, such as one of
    /// [`WebSocket::split`](crate::WebSocket::split).
    pub fn new(sender: WebSocketSender<T>, codec: C) -> Self {
        Self { sender, codec, values: PhantomData }
    }

    /// Returns the sender of messages, for all that does not depend on the type of the values.
    pub fn get_ref(&self) -> &WebSocketSender<T> {
        &self.sender
    }
}

impl<C, Out: ?Sized, T: AsyncRead + AsyncWrite + Unpin + Send + 'static> TypedSender<C, Out, T> {
    /// Sends a value.
    ///
    /// # Errors
    ///
    /// [`TypedError::Encode`] if the value has no encoding, in which case nothing was sent;
    /// [`TypedError::Socket`], same as [`WebSocketSender::send`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the value is sent whole or not at all.
    pub fn send<'a>(&'a self, value: &Out) -> impl Future<Output = Result<(), TypedError>> + use<'a, C, Out, T>
    where
        C: Encode<Out>,
    {
        // At once, so that the future does not borrow the value, which need not be `Sync`.
        let encoded = self.codec.encode(value);
        async { Ok(self.sender.send(encoded?).await?) }
    }
}

impl<C: Clone, Out: ?Sized, T> Clone for TypedSender<C, Out, T> {
    fn clone(&self) -> Self {
        Self::new(self.sender.clone(), self.codec.clone())
    }
}

impl<C, Out: ?Sized, T> fmt::Debug for TypedSender<C, Out, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedSender").finish_non_exhaustive()
    }
}
