use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::pipe::Pipe;

/// Two ends of a transport in memory, for [`accept`](fn@crate::accept), [`Connect::over`](crate::Connect::over), a
/// [`Peer`](super::Peer), or anything else that takes a stream.
///
/// ```
/// # use tower_websocket::test;
/// use tower_websocket::{Config, accept};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (io, other) = test::transport();
/// let mut peer = test::Peer::new(other);
/// let (socket, _) = tokio::join!(accept(io, Config::server()), peer.open("/chat"));
/// assert_eq!(socket.unwrap().request().unwrap().uri(), "/chat");
/// # }
/// ```
#[must_use]
pub fn transport() -> (Transport, Transport) {
    let (one, other) = (Pipe::new(), Pipe::new());
    (Transport { read: one.clone(), write: other.clone() }, Transport { read: other, write: one })
}

/// One of two ends of a transport in memory; see [`transport`].
///
/// Each direction holds 1 MiB that was not read yet; beyond it, writing waits. Dropping one end ends the transport: the
/// other one reads what was written and then the end, and fails to write with `BrokenPipe`.
#[derive(Debug)]
pub struct Transport {
    pub(super) read: Pipe,
    pub(super) write: Pipe,
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let bytes = ready!(self.read.poll_read(cx, buf.remaining()))?;
        buf.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.write.poll_write(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write.poll_write(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write.end();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.write.end();
        self.read.leave();
    }
}
