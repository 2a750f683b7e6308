use std::any::Any;
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

/// The transport of a [`WebSocket`](crate::WebSocket) that hyper has upgraded or a client has
/// opened. It is the TCP stream itself if there are no layers above it, otherwise a boxed stream
/// such as TLS or a stream of HTTP/2.
pub struct Upgraded(Transport);

/// The maximum length of a write to a transport that may copy it: a stream of HTTP/2 holds a copy
/// of what its peer does not read.
const MAX_WRITE: usize = 64 * 1024;

// Keeping hyper's type would cost little time, but memory per connection, and would hide
// `set_nodelay`.
enum Transport {
    Tcp(TcpStream),
    /// Boxed, so that plain TCP connections do not take more memory.
    Other(Box<dyn Transmit>),
}

/// A transport of any type.
pub(crate) trait Transmit: AsyncRead + AsyncWrite + Send + Unpin {
    /// Returns the transport, to be downcast to a known type.
    fn as_any(&self) -> &dyn Any;
}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Transmit for T {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Upgraded {
    /// Unwraps the TCP stream if possible, and returns the data that hyper has read after the
    /// request.
    pub(crate) fn new(upgraded: hyper::upgrade::Upgraded) -> (Self, BytesMut) {
        let upgraded = match auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
            Ok(parts) => return Self::tcp(parts.io, parts.read_buf),
            Err(upgraded) => upgraded,
        };
        let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => return Self::tcp(parts.io, parts.read_buf),
            Err(upgraded) => upgraded,
        };
        match Self::tls(upgraded) {
            Ok(unwrapped) => unwrapped,
            Err(upgraded) => (Self::from_boxed(Box::new(TokioIo::new(upgraded))), BytesMut::new()),
        }
    }

    /// Creates a transport from a TCP stream and sets `TCP_NODELAY`, so that messages do not wait
    /// for acknowledgements.
    pub(crate) fn from_tcp(stream: TcpStream) -> Self {
        // Fails only if the connection is gone, which the next read reports.
        let _ = stream.set_nodelay(true);
        Self(Transport::Tcp(stream))
    }

    pub(crate) fn tcp_stream(&self) -> Option<&TcpStream> {
        match &self.0 {
            Transport::Tcp(stream) => Some(stream),
            _ => None,
        }
    }

    /// Creates a transport from any other stream.
    pub(crate) fn from_boxed(io: Box<dyn Transmit>) -> Self {
        Self(Transport::Other(io))
    }

    /// Returns the boxed stream, unless the transport is TCP alone.
    pub(crate) fn boxed(&self) -> Option<&dyn Any> {
        match &self.0 {
            Transport::Tcp(_) => None,
            Transport::Other(io) => Some((**io).as_any()),
        }
    }

    /// Unwraps TLS over TCP, so that the session and the addresses are available.
    #[cfg(feature = "tls")]
    fn tls(upgraded: hyper::upgrade::Upgraded) -> Result<(Self, BytesMut), hyper::upgrade::Upgraded> {
        type Tls = TokioIo<tokio_rustls::server::TlsStream<TcpStream>>;

        let upgraded = match auto::upgrade::downcast::<Tls>(upgraded) {
            Ok(parts) => return Ok((Self::from_boxed(Box::new(parts.io.into_inner())), parts.read_buf.into())),
            Err(upgraded) => upgraded,
        };
        let parts = upgraded.downcast::<Tls>()?;
        Ok((Self::from_boxed(Box::new(parts.io.into_inner())), parts.read_buf.into()))
    }

    #[cfg(not(feature = "tls"))]
    fn tls(upgraded: hyper::upgrade::Upgraded) -> Result<(Self, BytesMut), hyper::upgrade::Upgraded> {
        Err(upgraded)
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
                let chunk = &buf[..buf.len().min(MAX_WRITE)];
                Pin::new(io).poll_write(cx, chunk).map_err(as_reset)
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

/// Converts errors caused by a reset stream: if the peer resets an HTTP/2 stream during a write,
/// hyper returns an error of kind `Other`.
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
    fn reset_stream_is_reported_as_connection_reset() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer error")]
        struct Outer(#[source] h2::Error);

        let error = io::Error::other(Outer(h2::Reason::CANCEL.into()));
        assert_eq!(as_reset(error).kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(as_reset(io::Error::other("other")).kind(), io::ErrorKind::Other);
        assert_eq!(as_reset(io::ErrorKind::BrokenPipe.into()).kind(), io::ErrorKind::BrokenPipe);
    }
}
