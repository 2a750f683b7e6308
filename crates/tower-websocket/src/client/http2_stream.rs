//! A stream of an HTTP/2 connection as a transport.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes, BytesMut};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream_permits::StreamPermit;
use crate::sync::lock;

/// The maximum number of bytes passed to h2 at once.
const CHUNK: usize = 64 * 1024;

/// Data passed to h2, which drops it once it is written or cannot be written any more.
pub(super) struct Chunk {
    data: Bytes,
    pending: Arc<Pending>,
}

/// Whether h2 still holds the last chunk, and the task that waits for it.
#[derive(Default)]
struct Pending(Mutex<(bool, Option<Waker>)>);

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        self.data.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.data.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.data.advance(count);
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let (is_pending, waker) = &mut *lock(&self.pending.0);
        *is_pending = false;
        if let Some(waker) = waker.take() {
            waker.wake();
        }
    }
}

/// Both directions of an extended CONNECT (RFC 8441 §5). Dropping it before its end resets the
/// stream, like a TCP connection.
///
/// h2 discards unwritten data when a stream is reset, so flushing waits until it is written.
/// Capacity is not reserved, since a reservation for a cancelled write would be taken from the
/// other streams.
pub(super) struct Http2Stream {
    send: SendStream<Chunk>,
    receive: RecvStream,
    /// Received data that was not read yet.
    read: Bytes,
    pending: Arc<Pending>,
    has_sent_end: bool,
    has_read_end: bool,
    /// Released when both directions have ended.
    permit: Option<StreamPermit>,
}

impl Http2Stream {
    pub(super) fn new(send: SendStream<Chunk>, receive: RecvStream, permit: StreamPermit) -> Self {
        Self {
            send,
            receive,
            read: Bytes::new(),
            pending: Arc::default(),
            has_sent_end: false,
            has_read_end: false,
            permit: Some(permit),
        }
    }

    /// Waits until h2 has written or dropped the last chunk.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (is_pending, waker) = &mut *lock(&self.pending.0);
        if *is_pending {
            *waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn send_chunk(&mut self, data: Bytes, is_end: bool) -> io::Result<()> {
        lock(&self.pending.0).0 = true;
        self.send.send_data(Chunk { data, pending: self.pending.clone() }, is_end).map_err(io_error)
    }

    fn release_permit(&mut self) {
        if self.has_sent_end && self.has_read_end {
            self.permit = None;
        }
    }
}

impl AsyncRead for Http2Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.read.is_empty() {
            self.read = match ready!(self.receive.poll_data(cx)) {
                Some(Ok(data)) => data,
                Some(Err(error)) if error.reason() != Some(Reason::NO_ERROR) => {
                    return Poll::Ready(Err(io_error(error)));
                }
                _ => {
                    self.has_read_end = true;
                    self.release_permit();
                    return Poll::Ready(Ok(()));
                }
            };
        }
        let length = self.read.len().min(buf.remaining());
        buf.put_slice(&self.read.split_to(length));
        // Only data that was read is acknowledged (RFC 9113 §5.2). The call fails if the stream was
        // reset, which the next read reports.
        let _ = self.receive.flow_control().release_capacity(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Http2Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    /// Combines all slices into one DATA frame, so that a header is not sent in a frame of its own.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted: usize = bufs.iter().map(|buf| buf.len()).sum();
        if wanted == 0 {
            return Poll::Ready(Ok(0));
        }
        ready!(self.poll_written(cx));
        let length = wanted.min(CHUNK);
        let mut data = BytesMut::with_capacity(length);
        for buf in bufs {
            let room = length - data.len();
            data.extend_from_slice(&buf[..buf.len().min(room)]);
        }
        self.send_chunk(data.freeze(), false)?;
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Data that is dropped before it is written is lost.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_written(cx).map(Ok)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_written(cx));
        let sent = if self.has_sent_end { Ok(()) } else { self.send_chunk(Bytes::new(), true) };
        self.has_sent_end = true;
        self.release_permit();
        Poll::Ready(sent)
    }
}

/// Converts an error. A reset stream corresponds to a reset TCP connection (RFC 8441 §5).
pub(super) fn io_error(error: h2::Error) -> io::Error {
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| io::ErrorKind::Other.into());
    }
    let kind = if error.is_reset() { io::ErrorKind::ConnectionReset } else { io::ErrorKind::Other };
    io::Error::new(kind, error)
}
