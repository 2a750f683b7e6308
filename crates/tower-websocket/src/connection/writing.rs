//! How queued output is written, whoever waits for it.

use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_write_buf;

use super::{Connection, buffers};

/// Any combination is possible, but that nothing is unflushed or blocked any more once writing has failed.
#[derive(Debug, Default)]
pub(super) struct WriteSide {
    /// The transport may still hold back what was written.
    pub(super) is_unflushed: bool,
    /// The transport took less than it was given.
    is_blocked: bool,
    /// Writing has ended, and something that was taken was not written.
    pub(super) failed: Option<io::ErrorKind>,
    /// The owner of the socket knows about that.
    pub(super) is_reported: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Connection<T> {
    /// Writes all that is queued, for the task that owns the socket.
    #[inline(always)]
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
        self.write.failed.is_none() && !self.is_over()
    }

    /// Reports to the owner of the socket, once, that something was not written.
    #[cold]
    fn report_failure(&mut self) -> io::Result<()> {
        if mem::replace(&mut self.write.is_reported, true) { Ok(()) } else { self.write_outcome() }
    }

    /// The result of waiting for output once nothing is written any more.
    #[cold]
    pub(super) fn write_outcome(&self) -> io::Result<()> {
        self.write.failed.map_or(Ok(()), |kind| Err(kind.into()))
    }

    /// Ends writing, and goes on reading: what the peer has sent, a close frame above all, may still be on its way, and says
    /// more than the failure. A close timeout bounds that.
    #[cold]
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

    /// Wakes all that wait for the transport.
    pub(super) fn wake_senders(&mut self) {
        if let Some(cold) = &mut self.cold {
            if let Some(sender) = cold.sender.take() {
                sender.wake();
            }
            cold.progress.notify_waiters();
        }
    }

    /// Registers the task that sends by the socket itself, which waits for the transport.
    #[cold]
    pub(super) fn wait_to_send(&mut self, cx: &mut Context<'_>) {
        let sender = &mut self.cold().sender;
        if !sender.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *sender = Some(cx.waker().clone());
        }
    }

    /// Writes all that is queued. If that is not possible now, it will be done by the background, and by whoever polls next.
    #[inline]
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.write.is_blocked
            && let Poll::Ready(written) = self.poll_write_to(cx)
        {
            return Poll::Ready(written);
        }
        self.poll_write_blocked(cx)
    }

    /// Writes to a transport that did not take everything. It wakes the last that asked, which has to be the background:
    /// others may stop waiting at any time.
    #[cold]
    fn poll_write_blocked(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let before = self.driver.output().written();
        let was_blocked = mem::replace(&mut self.write.is_blocked, true);
        let written = if was_blocked {
            let background = self.handover.waker().cloned();
            self.poll_write_to(&mut Context::from_waker(background.as_ref().unwrap_or(cx.waker())))
        } else {
            Poll::Pending
        };
        let has_progress = self.driver.output().written() > before;
        // The peer reads, though a ping of ours may be far behind.
        self.is_active |= has_progress;
        if written.is_ready() {
            self.write.is_blocked = false;
            // An entry that waits for the transport has nothing to wait for any more.
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
        // What waits now may wait for long.
        buffers::put(self.driver.output().shrink());
        self.driver.charge();
        Poll::Pending
    }

    fn poll_write_to(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let output = self.driver.output();
            if !output.has_remaining() {
                break;
            }
            let io = Pin::new(&mut self.io);
            // One piece is written as such: a vectored write costs more in the kernel.
            let written = if output.chunk().len() == output.remaining() {
                let written = ready!(io.poll_write(cx, output.chunk()))?;
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

    /// Writes what was taken as far as the transport takes it, for a caller that does not wait. The rest is left to the background,
    /// so that no task needs to be woken here.
    pub(super) fn write_now(&mut self) {
        if let Poll::Ready(Err(error)) = self.poll_write(&mut Context::from_waker(Waker::noop())) {
            self.fail_writing(error);
        }
    }

    /// Has the background write what was taken, though nobody waits for it.
    #[inline]
    pub(super) fn flush_soon(&mut self) {
        // An entry that waits for the transport will see it.
        if !self.write.is_blocked || !self.handover.is_queued() {
            self.handover.want();
        }
    }

    /// Returns whether something waits to be written.
    pub(super) fn has_output(&mut self) -> bool {
        self.may_write() && (self.write.is_unflushed || self.driver.wants_write())
    }
}

/// Driven by the [background](crate::background).
impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Connection<T> {
    /// Does what is left to do although nobody waits for it.
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
        if self.is_over() {
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
                    // That began to close, and the deadline is to be registered.
                    return self.poll_drive_once(cx);
                }
                Poll::Pending => {
                    if self.is_unattended() {
                        // The peer may wait for its own output to be read before it reads.
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
            return self.poll_last_words(cx);
        }
        // Only the deadline of a close is left, which is registered.
        if self.closing.is_some() { Poll::Pending } else { Poll::Ready(()) }
    }
}
