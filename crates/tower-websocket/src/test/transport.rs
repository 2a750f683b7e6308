use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::pipe::Pipe;

/// Returns the two ends of an in-memory transport, for [`accept`](fn@crate::accept),
/// [`Connect::over`](crate::client::Connect::over), a [`Peer`](super::Peer), or any other use of a
/// stream.
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

/// One end of an in-memory transport; see [`transport`].
///
/// Each direction buffers up to 1 MiB; beyond that, writes wait. Dropping one end closes the
/// transport: the other end reads the data written so far, then the end, and its writes fail with
/// `BrokenPipe`.
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
