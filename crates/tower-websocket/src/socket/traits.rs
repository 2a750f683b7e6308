//! Implementations of the traits of the futures crates.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};
use websocket_driver::{CloseCode, Message};

use super::WebSocket;
use crate::error::Error;

/// Same as [`WebSocket::recv`].
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for WebSocket<T> {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().0.poll_recv(cx)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> FusedStream for WebSocket<T> {
    fn is_terminated(&self) -> bool {
        self.0.is_finished
    }
}

/// Same as [`WebSocket::feed`], [`WebSocket::flush`], and [`WebSocket::close`] with
/// [`CloseCode::NORMAL`].
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Sink<Message> for WebSocket<T> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = &mut self.get_mut().0;
        ready!(this.connection.lock().poll_ready(cx))?;
        this.has_room = true;
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        let this = &mut self.get_mut().0;
        let has_room = mem::take(&mut this.has_room);
        Ok(this.connection.lock().start_send(message, has_room)?)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().0.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = &mut self.get_mut().0;
        this.connection.lock().start_close(CloseCode::NORMAL, "")?;
        while let Some(event) = ready!(this.poll_next_event(cx)) {
            event?;
        }
        Poll::Ready(Ok(()))
    }
}
