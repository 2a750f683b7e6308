//! How what waits is written, whoever waits for it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_write_buf;

use super::{Connection, Ending};
use crate::pool;

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Connection<T> {
    /// Writes all that is queued.
    #[inline(always)]
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_over() {
            return Poll::Ready(self.take_failure());
        }
        // The helper goes on, if there is anything to go on with.
        if self.is_abandoned {
            return Poll::Ready(Ok(()));
        }
        self.poll_write(cx).map_err(|error| {
            self.end(error.kind().into());
            error
        })
    }

    /// Writes what nobody waits for. `Pending` where it must be called again.
    pub(crate) fn poll_deferred(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_deferred {
            return Poll::Ready(());
        }
        let written = if self.is_over() { Poll::Ready(Ok(())) } else { self.poll_write_out(cx) };
        let Poll::Ready(written) = written else {
            if !self.is_abandoned {
                return Poll::Pending;
            }
            if self.ending.is_none() {
                self.limit_ending(None);
            }
            return self.poll_limit(cx);
        };
        self.is_deferred = false;
        // Once a close is under way, who waits for it meets the failure as well.
        if let (Err(error), None) = (written, &self.ending) {
            self.end(error.kind().into());
            self.ending = Some(Box::new(Ending::Failed(error)));
        }
        Poll::Ready(())
    }

    /// Tells that nobody will read or write any more.
    pub(crate) fn abandon(&mut self) {
        self.is_abandoned = true;
        self.wake_senders();
    }

    /// Wakes all who wait for the transport: it has taken what waited, or is given up and will wake nobody any more.
    pub(super) fn wake_senders(&mut self) {
        if let Some(slow) = self.rare.as_mut().and_then(|rare| rare.slow.take()) {
            slow.wake_all();
        }
    }

    #[inline]
    fn is_slow(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.slow.is_some())
    }

    /// Writes all that is queued, for someone who waits for it.
    #[inline]
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = self.poll_write_out(cx);
        if written.is_ready() {
            self.is_deferred = false;
        }
        written
    }

    #[inline]
    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_slow()
            && let Poll::Ready(written) = self.poll_write_to(cx)
        {
            return Poll::Ready(written);
        }
        self.poll_write_slowly(cx)
    }

    /// Writes to a transport that others may wait for, too.
    #[cold]
    fn poll_write_slowly(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let slow = self.rare.get_or_insert_default().slow.get_or_insert_default().clone();
        slow.add(cx.waker());
        let Poll::Ready(written) = self.poll_write_to(&mut Context::from_waker(&slow.clone().into())) else {
            // What waits now is held until the peer reads, however long that is.
            self.driver.charge();
            return Poll::Pending;
        };
        self.wake_senders();
        Poll::Ready(written)
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
            self.unflushed = true;
            // A transport that was full has room again: the peer reads, though a ping of ours may be far behind.
            self.is_heard |= self.is_slow();
        }
        if self.unflushed {
            pool::put(self.driver.output().reclaim());
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
            self.driver.report();
            self.driver.charge();
        }
        Poll::Ready(Ok(()))
    }
}
