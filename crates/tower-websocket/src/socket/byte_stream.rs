//! A socket as a stream of bytes.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use websocket_driver::{CloseCause, CloseCode, Message, SendError, Timeout};

use super::WebSocket;
use crate::error::Error;
use crate::error::abnormal_end::AbnormalEnd;
use crate::transport::upgraded::Upgraded;

/// The maximum length of a message that is sent, in bytes. A peer may limit messages to less than
/// the length of one write.
const LONGEST_MESSAGE: usize = 64 * 1024;

/// A socket as a stream of bytes, to tunnel another protocol through it, or for code that expects a
/// TCP stream.
///
/// Reading returns the payloads of the messages that are received, binary or text, one after the
/// other. Each write sends one binary message of at most 64 KiB, which leaves at once, as on a TCP
/// stream with `TCP_NODELAY`. Pings are answered while it is read from.
///
/// ```
/// use tokio::io::copy_bidirectional;
/// use tokio::net::TcpStream;
/// use tower_websocket::{ByteStream, WebSocket};
///
/// async fn tunnel(socket: WebSocket) -> std::io::Result<()> {
///     let mut database = TcpStream::connect("127.0.0.1:5432").await?;
///     copy_bidirectional(&mut ByteStream::new(socket), &mut database).await?;
///     Ok(())
/// }
/// ```
///
/// # End
///
/// A close by the peer with [`CloseCode::NORMAL`], [`CloseCode::GOING_AWAY`] or no code is the end
/// of the stream. Every other end is an error of each read, as the received data may be incomplete. The error holds an [`AbnormalEnd`]:
///
/// | the connection ended | [`io::ErrorKind`] |
/// |---|---|
/// | by a close of the peer with another code | `ConnectionAborted` |
/// | without a close | `UnexpectedEof` |
/// | by a reset or another failure of the transport | that of the transport |
/// | by a timeout | `TimedOut` |
/// | by a protocol violation or an exceeded limit | `InvalidData` |
///
/// Shutting it down closes the connection with [`CloseCode::NORMAL`]. Data that the peer sends before it
/// answers the close can still be read, but a WebSocket has no half-close: most peers send nothing
/// more once they have received a close (RFC 6455 §5.5.1). If the stream is dropped without
/// this, data that was written is still sent, and the peer sees an end without a close.
///
/// # Cancel safety
///
/// No byte is lost or sent twice if the future of a method that is cancel safe for any stream, such
/// as tokio's `read` and `write`, is dropped.
pub struct ByteStream<T = Upgraded> {
    socket: WebSocket<T>,
    /// The unread rest of a received message.
    read: Bytes,
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> ByteStream<T> {
    /// Creates a stream over a socket. It needs a version that has binary messages, as RFC 6455
    /// does.
    #[must_use]
    pub fn new(socket: WebSocket<T>) -> Self {
        Self { socket, read: Bytes::new() }
    }

    /// Returns the socket.
    pub fn get_ref(&self) -> &WebSocket<T> {
        &self.socket
    }

    /// Returns how the stream has ended.
    fn end(&self) -> io::Result<()> {
        let code = self.socket.close_frame().map(|close| close.code);
        if [CloseCode::NORMAL, CloseCode::GOING_AWAY, CloseCode::NO_STATUS]
            .iter()
            .any(|clean| code.as_ref() == Some(clean))
        {
            return Ok(());
        }
        let cause = self.socket.close_cause().unwrap_or(CloseCause::Ended);
        let kind = match &cause {
            CloseCause::Ended | CloseCause::Truncated => io::ErrorKind::UnexpectedEof,
            CloseCause::Reset => io::ErrorKind::ConnectionReset,
            CloseCause::Failed(kind) => *kind,
            CloseCause::Timeout(Timeout::Idle | Timeout::Pong | Timeout::Close) => io::ErrorKind::TimedOut,
            CloseCause::Protocol(_) | CloseCause::Limit(_) => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::ConnectionAborted,
        };
        Err(io::Error::new(kind, AbnormalEnd::from(cause)))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> AsyncBufRead for ByteStream<T> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        while this.read.is_empty() {
            match ready!(this.socket.0.poll_recv(cx)) {
                Some(Ok(message)) => this.read = message.into_data(),
                // The cause says as much as the error.
                Some(Err(_)) => {}
                None => return Poll::Ready(this.end().map(|()| &[][..])),
            }
        }
        Poll::Ready(Ok(&this.read))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.get_mut().read.advance(amount);
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> AsyncRead for ByteStream<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let bytes = ready!(self.as_mut().poll_fill_buf(cx))?;
        let length = bytes.len().min(buf.remaining());
        buf.put_slice(&bytes[..length]);
        self.consume(length);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> AsyncWrite for ByteStream<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let inner = &mut self.get_mut().socket.0;
        // Before anything is copied.
        ready!(inner.connection.lock().poll_ready(cx))?;
        let piece = &buf[..buf.len().min(LONGEST_MESSAGE)];
        let mut message = Some(Message::binary(Bytes::copy_from_slice(piece)));
        match inner.poll_send(cx, &mut message) {
            Poll::Ready(sent) => sent.map_err(write_error)?,
            Poll::Pending if message.is_some() => return Poll::Pending,
            // The message was accepted. The caller may wait for something else next.
            Poll::Pending => inner.connection.lock().flush_soon(),
        }
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().socket.0.poll_flush(cx).map_err(write_error)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let inner = &mut self.get_mut().socket.0;
        let started = inner.connection.lock().start_close(CloseCode::NORMAL, "");
        started.map_err(|error| write_error(error.into()))?;
        inner.poll_flush(cx).map_err(write_error)
    }
}

fn write_error(error: Error) -> io::Error {
    let kind = match error {
        Error::Io(error) => return error,
        Error::Send(SendError::Closed) => io::ErrorKind::BrokenPipe,
        _ => io::ErrorKind::InvalidInput,
    };
    io::Error::new(kind, error)
}

impl<T> fmt::Debug for ByteStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStream").field("socket", &self.socket).field("read", &self.read.len()).finish()
    }
}
