use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use websocket_driver::{Event, MessageChunk, MessageKind};

use crate::error::Error;
use crate::socket::WebSocket;
use crate::transport::upgraded::Upgraded;

/// A message that is read while it arrives, returned by [`WebSocket::recv_stream`]. Read it with
/// [`chunk`](Self::chunk), or as an [`AsyncRead`] and [`AsyncBufRead`] that ends with the message.
///
/// It holds no more of the message than one chunk, and reads no more from the transport until that
/// is consumed. Pings are answered while it waits for a chunk.
///
/// If the connection ends before the message does, the error is [`Error::Interrupted`], so that a
/// truncated message is not mistaken for a complete one. `AsyncRead` returns it as
/// [`io::ErrorKind::UnexpectedEof`], and protocol errors as [`io::ErrorKind::InvalidData`].
///
/// If it is dropped before its end, the socket reads and discards the rest, up to the limit, before
/// the next message. To avoid that, close the connection.
pub struct IncomingMessage<'a, T = Upgraded> {
    socket: &'a mut WebSocket<T>,
    /// Skips the rest of the message. A function pointer, so that types that hold messages need no
    /// trait bounds on the transport.
    skip: fn(&mut WebSocket<T>),
    kind: MessageKind,
    chunk: Bytes,
    is_complete: bool,
}

impl<'a, T: AsyncRead + AsyncWrite + Unpin + Send + 'static> IncomingMessage<'a, T> {
    pub(super) fn new(socket: &'a mut WebSocket<T>, first: MessageChunk) -> Self {
        let skip = |socket: &mut WebSocket<T>| socket.0.skip_message();
        Self { socket, skip, kind: first.kind, chunk: first.data, is_complete: first.is_final }
    }

    /// Returns the kind of the message.
    #[must_use]
    pub fn kind(&self) -> MessageKind {
        self.kind
    }

    /// Receives the next chunk of the message, or `None` at its end. A chunk is not empty. It
    /// contains the bytes that were received at once, usually up to 128 KiB, or up to 64 KiB of
    /// decompressed data.
    ///
    /// A text may be split within a character. The connection fails if the text is not UTF-8. To
    /// read strings, see [`read_to_string`](tokio::io::AsyncReadExt::read_to_string) and
    /// [`lines`](tokio::io::AsyncBufReadExt::lines).
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`] if the connection ends before the message does, [`Error::Io`], and
    /// [`Error::Protocol`], for example if the message exceeds its limit or is not UTF-8. The
    /// chunks before the error have been returned.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no chunk is lost.
    pub fn chunk(&mut self) -> impl Future<Output = Result<Option<Bytes>, Error>> + '_ {
        poll_fn(|cx| {
            ready!(self.poll_chunk(cx))?;
            let chunk = std::mem::take(&mut self.chunk);
            Poll::Ready(Ok(Some(chunk).filter(|chunk| !chunk.is_empty())))
        })
    }

    /// Waits for a chunk, which is empty only at the end of the message.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while self.chunk.is_empty() && !self.is_complete {
            match ready!(self.socket.0.poll_next_event(cx)) {
                Some(Ok(Event::Chunk(chunk))) => {
                    self.chunk = chunk.data;
                    self.is_complete = chunk.is_final;
                }
                Some(Ok(Event::Error(error))) => return Poll::Ready(Err(error.into())),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Err(Error::Interrupted)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> AsyncRead for IncomingMessage<'_, T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let available = ready!(self.as_mut().poll_fill_buf(cx))?;
        let read = available.len().min(buf.remaining());
        buf.put_slice(&available[..read]);
        self.consume(read);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> AsyncBufRead for IncomingMessage<'_, T> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_chunk(cx))?;
        Poll::Ready(Ok(&this.chunk))
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        self.chunk.advance(amount);
    }
}

impl<T> Drop for IncomingMessage<'_, T> {
    fn drop(&mut self) {
        if !self.is_complete {
            (self.skip)(self.socket);
        }
    }
}

/// Omits the message, which may be confidential.
impl<T> fmt::Debug for IncomingMessage<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingMessage")
            .field("kind", &self.kind)
            .field("is_complete", &self.is_complete)
            .finish_non_exhaustive()
    }
}
