//! Implementations of the futures traits.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum_core::Error;
use futures_core::{FusedStream, Stream};
use futures_sink::Sink;
use tower_websocket::{Error as NativeError, Message as NativeMessage, WebSocket as NativeSocket};

use super::message::Message;
use super::socket::WebSocket;

/// Same as [`WebSocket::recv`].
impl Stream for WebSocket {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_recv(cx)
    }
}

impl FusedStream for WebSocket {
    fn is_terminated(&self) -> bool {
        self.has_failed || self.native.is_terminated()
    }
}

/// Same as [`WebSocket::send`]. Closing the sink sends a close frame without a code, unless one was
/// sent or received before, and does not wait for the answer.
impl Sink<Message> for WebSocket {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.sink().poll_ready(cx).map_err(Error::new)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        let message = match message {
            Message::Text(text) => NativeMessage::Text(text),
            Message::Binary(bytes) => NativeMessage::Binary(bytes),
            Message::Ping(data) => return self.get_mut().native.start_ping(data).map_err(native),
            Message::Pong(data) => return self.get_mut().native.start_pong(data).map_err(native),
            Message::Close(frame) => return self.get_mut().start_close(frame),
        };
        self.sink().start_send(message).map_err(Error::new)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.sink().poll_flush(cx).map_err(Error::new)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if !self.is_closing() {
            self.start_close(None)?;
        }
        self.poll_flush(cx)
    }
}

impl WebSocket {
    fn sink(self: Pin<&mut Self>) -> Pin<&mut NativeSocket> {
        Pin::new(&mut self.get_mut().native)
    }
}

fn native(error: impl Into<NativeError>) -> Error {
    Error::new(error.into())
}
