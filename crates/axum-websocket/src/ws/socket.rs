use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use axum_core::Error;
use futures_core::Stream;
use http::HeaderValue;
use tower_websocket::error::AbnormalEnd;
use tower_websocket::{CloseCause, CloseCode, Event, SendError, WebSocket as NativeSocket};

use super::close::CloseFrame;
use super::message::Message;

/// An open WebSocket with the interface of axum's: a [`Stream`] and a [`Sink`](futures_sink::Sink)
/// of [`Message`]s, which `StreamExt::split` splits for use in two tasks. The connection stays open
/// until both halves are dropped.
///
/// It wraps a native socket: [`native`](Self::native) provides the cause of an end,
/// [`native_mut`](Self::native_mut) cloneable senders, and [`into_native`](Self::into_native)
/// everything else.
///
/// A socket that is dropped without [`Message::Close`] ends the connection without a closing
/// handshake, like axum's.
///
/// ```
/// use axum_websocket::ws::{Message, WebSocket};
/// use futures_util::{SinkExt, StreamExt};
///
/// async fn echo(socket: WebSocket) {
///     let (mut sink, mut stream) = socket.split();
///     while let Some(Ok(message)) = stream.next().await {
///         if let Message::Text(_) | Message::Binary(_) = message {
///             if sink.send(message).await.is_err() {
///                 break;
///             }
///         }
///     }
/// }
/// ```
pub struct WebSocket {
    pub(super) native: NativeSocket,
    protocol: Option<HeaderValue>,
    /// Whether an error was returned. Nothing is returned after it.
    pub(super) has_failed: bool,
}

impl WebSocket {
    /// Receives the next message. Returns `None` when the connection has ended. Pings have already
    /// been answered, and so has a [`Message::Close`], which is the last message.
    ///
    /// # Errors
    ///
    /// At most one, followed by `None`: a [`tower_websocket::Error`] if the transport failed or the
    /// peer violated the protocol, and an [`AbnormalEnd`] if the connection ended without a close
    /// frame from the peer.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no message is lost.
    pub async fn recv(&mut self) -> Option<Result<Message, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Sends a message. A [`Message::Close`] starts the closing handshake, which
    /// [`recv`](Self::recv) completes, or the background if the socket is dropped.
    ///
    /// A text or binary message is written at once, unless further messages have been received
    /// already: then it is written together with the replies to those, or as soon as the task waits
    /// for anything else.
    ///
    /// # Errors
    ///
    /// A [`tower_websocket::Error`] if the connection is closing or the transport failed, a ping or
    /// pong is longer than 125 bytes, a close code must not be sent, or a close reason is longer
    /// than 123 bytes.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the message is sent completely or not at all.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        let sent = match message {
            Message::Text(text) => self.native.send(text).await,
            Message::Binary(bytes) => self.native.send(bytes).await,
            Message::Ping(data) => self.native.send_ping(data).await,
            Message::Pong(data) => self.native.send_pong(data).await,
            Message::Close(frame) => {
                self.start_close(frame)?;
                self.native.flush().await
            }
        };
        sent.map_err(Error::new)
    }

    /// Returns the negotiated subprotocol.
    pub fn protocol(&self) -> Option<&HeaderValue> {
        self.protocol.as_ref()
    }

    /// Returns the native socket.
    pub fn native(&self) -> &NativeSocket {
        &self.native
    }

    /// Returns the native socket for use alongside this one. Messages received from it are not
    /// received here. Pongs to [`ping`](NativeSocket::ping) of its senders are received here as
    /// [`Message::Pong`].
    pub fn native_mut(&mut self) -> &mut NativeSocket {
        &mut self.native
    }

    /// Converts the socket to the native socket.
    pub fn into_native(self) -> NativeSocket {
        let mut native = self.native;
        native.set_keepalive_pongs(true);
        native
    }

    /// Queues a close frame. Unlike the native socket, it refuses a second one, like axum: loops
    /// that send until an error rely on it.
    pub(super) fn start_close(&mut self, frame: Option<CloseFrame>) -> Result<(), Error> {
        if self.is_closing() {
            return Err(Error::new(tower_websocket::Error::from(SendError::Closed)));
        }
        let (code, reason) = match &frame {
            Some(frame) => (frame.code.into(), frame.reason.as_str()),
            None => (CloseCode::NO_STATUS, ""),
        };
        self.native.start_close(code, reason).map_err(Error::new)
    }

    /// Returns whether nothing can be sent any more.
    pub(super) fn is_closing(&self) -> bool {
        self.native.sender().is_closed()
    }

    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        if self.has_failed {
            return Poll::Ready(None);
        }
        loop {
            let event = ready!(pin!(self.native.next_event()).poll(cx));
            let error = match event {
                Some(Ok(Event::Message(message))) => return Poll::Ready(Some(Ok(message.into()))),
                Some(Ok(Event::Ping(data))) => return Poll::Ready(Some(Ok(Message::Ping(data)))),
                Some(Ok(Event::Pong(data))) => return Poll::Ready(Some(Ok(Message::Pong(data)))),
                Some(Ok(Event::Close(frame))) if frame.code != CloseCode::ABNORMAL => {
                    return Poll::Ready(Some(Ok(Message::Close(CloseFrame::received(frame)))));
                }
                Some(Ok(Event::Close(_))) => {
                    let cause = self.native.close_cause();
                    Error::new(AbnormalEnd::from(cause.unwrap_or(CloseCause::Ended)))
                }
                Some(Ok(Event::Error(error))) => Error::new(tower_websocket::Error::from(error)),
                Some(Ok(_)) => continue,
                Some(Err(error)) => Error::new(error),
                None => return Poll::Ready(None),
            };
            self.has_failed = true;
            return Poll::Ready(Some(Err(error)));
        }
    }
}

/// Hides the pongs to keepalive pings, since handlers written for axum may stop at the first
/// message that is not text.
impl From<NativeSocket> for WebSocket {
    fn from(mut native: NativeSocket) -> Self {
        native.set_keepalive_pongs(false);
        // Was negotiated in a header, so it is valid in one.
        let protocol = native.protocol().and_then(|name| HeaderValue::from_str(name).ok());
        Self { native, protocol, has_failed: false }
    }
}

impl From<WebSocket> for NativeSocket {
    fn from(socket: WebSocket) -> Self {
        socket.into_native()
    }
}

/// Omits the subprotocol, which may contain a secret.
impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").field("native", &self.native).finish_non_exhaustive()
    }
}
