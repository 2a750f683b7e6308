//! One stream of an HTTP/2 connection, as a transport.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes, BytesMut};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream_permits::StreamPermit;
use crate::sync::lock;

/// At most so much is handed to h2 at once.
const CHUNK: usize = 64 * 1024;

/// What h2 is given to send. It drops it when it is written, or when it never will be.
pub(super) struct Chunk {
    data: Bytes,
    pending: Arc<Pending>,
}

/// Whether h2 is not done yet with what it was given last, and who waits for that.
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

/// The two halves of a CONNECT (RFC 8441 §5). Dropped before its end, it resets the stream, as a TCP connection would be.
///
/// h2 throws away what it has not written when a stream is reset, so that flushing waits for it. And nothing is reserved:
/// what is reserved for a write that is given up is taken from the other streams.
pub(super) struct Http2Stream {
    send: SendStream<Chunk>,
    receive: RecvStream,
    /// What has come and was not read yet.
    read: Bytes,
    pending: Arc<Pending>,
    has_sent_end: bool,
    has_read_end: bool,
    /// Given back when both ends are there.
    slot: Option<StreamPermit>,
}

impl Http2Stream {
    pub(super) fn new(send: SendStream<Chunk>, receive: RecvStream, slot: StreamPermit) -> Self {
        Self {
            send,
            receive,
            read: Bytes::new(),
            pending: Arc::default(),
            has_sent_end: false,
            has_read_end: false,
            slot: Some(slot),
        }
    }

    /// Waits until h2 is done with what it was given.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (is_pending, waker) = &mut *lock(&self.pending.0);
        if *is_pending {
            *waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn give(&mut self, data: Bytes, is_end: bool) -> io::Result<()> {
        lock(&self.pending.0).0 = true;
        self.send.send_data(Chunk { data, pending: self.pending.clone() }, is_end).map_err(io_error)
    }

    fn give_slot_back(&mut self) {
        if self.has_sent_end && self.has_read_end {
            self.slot = None;
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
                    self.give_slot_back();
                    return Poll::Ready(Ok(()));
                }
            };
        }
        let length = self.read.len().min(buf.remaining());
        buf.put_slice(&self.read.split_to(length));
        // Only what is read makes room for more (RFC 9113 §5.2). It fails on a stream that was reset, which the next read tells.
        let _ = self.receive.flow_control().release_capacity(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Http2Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    /// All slices go into one DATA frame, so that a header does not travel alone.
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
        self.give(data.freeze(), false)?;
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// What is dropped before it is written is lost.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_written(cx).map(Ok)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_written(cx));
        let given = if self.has_sent_end { Ok(()) } else { self.give(Bytes::new(), true) };
        self.has_sent_end = true;
        self.give_slot_back();
        Poll::Ready(given)
    }
}

/// A stream that was reset is what a TCP connection is that was reset (RFC 8441 §5).
pub(super) fn io_error(error: h2::Error) -> io::Error {
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| io::ErrorKind::Other.into());
    }
    let kind = if error.is_reset() { io::ErrorKind::ConnectionReset } else { io::ErrorKind::Other };
    io::Error::new(kind, error)
}
