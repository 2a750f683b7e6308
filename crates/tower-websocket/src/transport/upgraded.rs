#[cfg(feature = "http2")]
use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The transport of a [`WebSocket`](crate::WebSocket): one that hyper has upgraded, or that a client has opened. It is the
/// TCP stream itself where that is all there is, else whatever stands behind it, such as TLS or a stream of HTTP/2.
pub struct Upgraded(Transport);

/// The bytes written at once to a transport that may copy them: a stream of HTTP/2 holds a copy of what its peer does not read.
const LONGEST_WRITE: usize = 64 * 1024;

// Going through hyper's type costs little time, but memory per connection, and hides `set_nodelay`.
enum Transport {
    Tcp(TcpStream),
    /// Boxed, as those that are TCP alone would have to have the room.
    Other(Box<dyn Transmit>),
}

/// What a connection can be over.
pub(crate) trait Transmit: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transmit for T {}

impl Upgraded {
    /// Unwraps what can be, and gives what hyper has read beyond the request.
    pub(crate) fn new(upgraded: hyper::upgrade::Upgraded) -> (Self, BytesMut) {
        let upgraded = match auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
            Ok(parts) => return Self::tcp(parts.io, parts.read_buf),
            Err(upgraded) => upgraded,
        };
        match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => Self::tcp(parts.io, parts.read_buf),
            Err(upgraded) => (Self::from_boxed(Box::new(TokioIo::new(upgraded))), BytesMut::new()),
        }
    }

    /// `TCP_NODELAY` is set: a message that waits for the acknowledgement of the one before it helps nobody.
    pub(crate) fn from_tcp(stream: TcpStream) -> Self {
        // It fails only where the connection is gone, which the next read tells.
        let _ = stream.set_nodelay(true);
        Self(Transport::Tcp(stream))
    }

    pub(crate) fn tcp_stream(&self) -> Option<&TcpStream> {
        match &self.0 {
            Transport::Tcp(stream) => Some(stream),
            _ => None,
        }
    }

    /// Over something else.
    pub(crate) fn from_boxed(io: Box<dyn Transmit>) -> Self {
        Self(Transport::Other(io))
    }

    fn tcp(io: TokioIo<TcpStream>, read: Bytes) -> (Self, BytesMut) {
        (Self::from_tcp(io.into_inner()), read.into())
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut upgraded = f.debug_tuple("Upgraded");
        match &self.0 {
            Transport::Tcp(stream) => upgraded.field(stream),
            Transport::Other(_) => upgraded.field(&format_args!("_")),
        };
        upgraded.finish()
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Transport::Tcp(io) => Pin::new(io).poll_read(cx, buf),
            Transport::Other(io) => Pin::new(io).poll_read(cx, buf).map_err(as_reset),
        }
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Transport::Tcp(io) => Pin::new(io).poll_write(cx, buf),
            Transport::Other(io) => {
                let piece = &buf[..buf.len().min(LONGEST_WRITE)];
                Pin::new(io).poll_write(cx, piece).map_err(as_reset)
            }
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Transport::Tcp(io) => Pin::new(io).poll_write_vectored(cx, bufs),
            Transport::Other(io) => Pin::new(io).poll_write_vectored(cx, bufs).map_err(as_reset),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Transport::Tcp(io) => io.is_write_vectored(),
            Transport::Other(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Transport::Tcp(io) => Pin::new(io).poll_flush(cx),
            Transport::Other(io) => Pin::new(io).poll_flush(cx).map_err(as_reset),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Transport::Tcp(io) => Pin::new(io).poll_shutdown(cx),
            Transport::Other(io) => Pin::new(io).poll_shutdown(cx).map_err(as_reset),
        }
    }
}

/// Reports a stream of HTTP/2 that the peer resets during a write as a reset: hyper's error has no kind.
#[cfg(feature = "http2")]
fn as_reset(error: io::Error) -> io::Error {
    let mut cause = error.get_ref().map(|error| error as &(dyn Error + 'static));
    while let Some(inner) = cause {
        if inner.downcast_ref::<h2::Error>().is_some_and(|error| error.reason().is_some()) {
            return io::Error::new(io::ErrorKind::ConnectionReset, error);
        }
        cause = inner.source();
    }
    error
}

#[cfg(not(feature = "http2"))]
fn as_reset(error: io::Error) -> io::Error {
    error
}

#[cfg(all(test, feature = "http2"))]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_was_reset_is_told_as_such() {
        #[derive(Debug, thiserror::Error)]
        #[error("as hyper's")]
        struct Outer(#[source] h2::Error);

        let error = io::Error::other(Outer(h2::Reason::CANCEL.into()));
        assert_eq!(as_reset(error).kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(as_reset(io::Error::other("else")).kind(), io::ErrorKind::Other);
        assert_eq!(as_reset(io::ErrorKind::BrokenPipe.into()).kind(), io::ErrorKind::BrokenPipe);
    }
}
