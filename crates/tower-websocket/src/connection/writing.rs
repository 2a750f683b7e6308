//! Writing of queued output, for whichever task waits for it.

use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_write_buf;

use super::{Connection, buffers};

/// | | `is_unflushed` | `is_blocked` | `is_reported` |
/// |---|---|---|---|
/// | `failed` is none, not [ended](Connection::has_ended) | any | any | only if a read has failed |
/// | writing has failed or ended | ignored | ignored | any |
#[derive(Debug, Default)]
pub(super) struct WriteSide {
    /// Whether the transport may hold written data back until it is flushed.
    pub(super) is_unflushed: bool,
    /// Whether the transport has accepted less than it was offered.
    is_blocked: bool,
    /// Set when writing has ended and accepted messages were not written.
    pub(super) failed: Option<io::ErrorKind>,
    /// Whether a failure, or the end, was reported to the owner of the socket.
    pub(super) is_reported: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Connection<T> {
    /// Writes the queued output, for the task that owns the socket.
    #[inline]
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.may_write() {
            return Poll::Ready(self.report_failure());
        }
        if self.has_written_enough() {
            return self.give_way(cx);
        }
        match self.poll_write(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => {
                let error = self.fail_writing(error);
                self.write.is_reported = true;
                Poll::Ready(Err(error))
            }
            Poll::Pending => {
                self.wait_to_send(cx);
                Poll::Pending
            }
        }
    }

    /// Returns whether anything can be written.
    #[inline]
    pub(super) fn may_write(&self) -> bool {
        self.write.failed.is_none() && !self.has_ended()
    }

    /// Reports a failure to the owner of the socket once.
    fn report_failure(&mut self) -> io::Result<()> {
        if mem::replace(&mut self.write.is_reported, true) { Ok(()) } else { self.write_outcome() }
    }

    /// Returns the result for senders once nothing is written any more.
    pub(super) fn write_outcome(&self) -> io::Result<()> {
        self.write.failed.map_or(Ok(()), |kind| Err(kind.into()))
    }

    /// Ends writing, and continues to read: data from the peer may still be in transit, in
    /// particular a close frame, which is more informative than the failure. The close timeout
    /// applies.
    pub(super) fn fail_writing(&mut self, error: io::Error) -> io::Error {
        let kind = error.kind();
        self.write = WriteSide { failed: Some(kind), ..WriteSide::default() };
        self.driver.receive_write_end(kind.into());
        self.driver.charge();
        if self.closing.is_none() {
            self.begin_closing(None);
        }
        self.wake_senders();
        self.wake_receiver();
        error
    }

    /// Wakes all tasks that wait for the transport.
    pub(super) fn wake_senders(&mut self) {
        if let Some(cold) = &mut self.cold {
            if let Some(sender) = cold.sender.take() {
                sender.wake();
            }
            cold.progress.notify_waiters();
        }
    }

    /// Registers the task that sends through the socket itself and waits for the transport.
    pub(super) fn wait_to_send(&mut self, cx: &mut Context<'_>) {
        let sender = &mut self.cold().sender;
        if !sender.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *sender = Some(cx.waker().clone());
        }
    }

    /// Writes the queued output. If that is not possible now, the background or whoever polls next
    /// continues.
    #[inline]
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.write.is_blocked
            && let Poll::Ready(written) = self.poll_write_to(cx)
        {
            return Poll::Ready(written);
        }
        self.poll_write_blocked(cx)
    }

    /// Writes to a transport that did not accept everything. It wakes the last waker that it was
    /// polled with, which must be that of the background: other tasks may stop waiting at any time.
    fn poll_write_blocked(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let before = self.driver.output().written();
        let was_blocked = mem::replace(&mut self.write.is_blocked, true);
        let written = if was_blocked {
            let background = self.handover.waker().cloned();
            self.poll_write_to(&mut Context::from_waker(background.as_ref().unwrap_or_else(|| cx.waker())))
        } else {
            Poll::Pending
        };
        let has_progress = self.driver.output().written() > before;
        // The peer is reading, though a ping may be queued far behind.
        self.liveness.is_active |= has_progress;
        if written.is_ready() {
            self.write.is_blocked = false;
            // An entry that waits for the transport has no reason to wait any more.
            self.handover.wake();
            self.wake_senders();
            if self.closing.is_some() {
                self.wake_receiver();
            }
            return written;
        }
        if has_progress {
            self.wake_senders();
        }
        if !was_blocked || !self.handover.is_queued() {
            self.handover.want();
        }
        // The remaining output may have to wait for long.
        buffers::put(self.driver.output().shrink());
        self.driver.charge();
        Poll::Pending
    }

    fn poll_write_to(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let output = self.driver.output();
            let chunk = output.chunk();
            if chunk.is_empty() {
                break;
            }
            let io = Pin::new(&mut self.io);
            // A single chunk is written with a plain write: a vectored write costs more in the
            // kernel.
            let written = if chunk.len() == output.remaining() {
                let written = ready!(io.poll_write(cx, chunk))?;
                output.advance(written);
                written
            } else {
                ready!(poll_write_buf(io, cx, output))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.write.is_unflushed = true;
            self.spend(written);
        }
        if self.write.is_unflushed {
            buffers::put(self.driver.output().reclaim());
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.write.is_unflushed = false;
            self.driver.report();
            self.driver.charge();
        }
        Poll::Ready(Ok(()))
    }

    /// Writes as much as the transport accepts, for a caller that does not wait. The background
    /// writes the rest, so that no task needs to be woken.
    pub(super) fn write_now(&mut self) {
        if let Poll::Ready(Err(error)) = self.poll_write(&mut Context::from_waker(Waker::noop())) {
            self.fail_writing(error);
        }
    }

    /// Has the background write the output.
    #[inline]
    pub(crate) fn flush_soon(&mut self) {
        // An entry that waits for the transport will find it.
        if !self.write.is_blocked || !self.handover.is_queued() {
            self.handover.want();
        }
    }

    /// Returns whether there is output to write.
    pub(super) fn has_output(&mut self) -> bool {
        self.may_write() && (self.write.is_unflushed || self.driver.wants_write())
    }
}

/// Called by the [background](crate::background).
impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Connection<T> {
    /// Does the work that is left although no task polls the connection.
    pub(super) fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let driven = self.poll_drive_once(cx);
        if driven.is_ready() {
            self.handover.end();
        } else {
            self.handover.wait(cx.waker());
        }
        driven
    }

    fn poll_drive_once(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_lingering() {
            return self.poll_linger(cx);
        }
        if self.has_ended() {
            return Poll::Ready(());
        }
        if self.poll_deadline(cx).is_ready() {
            self.expire_closing();
            return Poll::Ready(());
        }
        if self.has_output() {
            if self.write.is_blocked {
                self.handover.wait(cx.waker());
            }
            match self.poll_write(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    self.fail_writing(error);
                    // `fail_writing` has started to close, and the deadline must be registered.
                    return self.poll_drive_once(cx);
                }
                Poll::Pending => {
                    if self.is_unattended() {
                        // The peer may not read before its own output is read.
                        let _ = self.poll_discard(cx);
                    }
                    return Poll::Pending;
                }
            }
            if self.has_written_enough() {
                return self.give_way(cx);
            }
        }
        if self.is_unattended() {
            return self.poll_end_output(cx);
        }
        // Only the deadline of a close is left, which is registered.
        if self.closing.is_some() { Poll::Pending } else { Poll::Ready(()) }
    }
}
