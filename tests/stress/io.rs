//! Transports that split data and are randomly not ready.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, duplex};
use tokio::net::{TcpListener, TcpStream};

use crate::random::Random;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A transport that splits data and is randomly not ready.
pub(crate) struct Io {
    stream: Box<dyn Stream>,
    random: Random,
    is_calm: bool,
}

/// Returns the two ends of a transport in memory or over TCP.
pub(crate) async fn pair(random: &mut Random) -> (Io, Io) {
    let (one, other): (Box<dyn Stream>, Box<dyn Stream>) = if random.once_in(2) {
        let (one, other) = duplex(64 << random.below(12));
        (Box::new(one), Box::new(other))
    } else {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (one, other) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (Box::new(one.unwrap()), Box::new(other.unwrap().0))
    };
    let is_calm = random.once_in(3);
    let mut wrap = |stream| Io { stream, random: random.fork(), is_calm };
    (wrap(one), wrap(other))
}

impl Io {
    /// Returns whether it is randomly not ready. It may be polled again at once.
    fn is_busy(&mut self, cx: &Context<'_>) -> bool {
        let is_busy = !self.is_calm && self.random.once_in(8);
        if is_busy {
            cx.waker().wake_by_ref();
        }
        is_busy
    }

    /// Returns the number of bytes that pass at once.
    fn limit(&mut self, len: usize) -> usize {
        if self.is_calm { len } else { len.min(1 << self.random.below(18)) }
    }
}

impl AsyncRead for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_busy(cx) {
            return Poll::Pending;
        }
        let limit = self.limit(buf.remaining());
        let mut piece = ReadBuf::new(buf.initialize_unfilled_to(limit));
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece))?;
        let read = piece.filled().len();
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_busy(cx) {
            return Poll::Pending;
        }
        let limit = self.limit(buf.len());
        Pin::new(&mut self.stream).poll_write(cx, &buf[..limit])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_busy(cx) {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
