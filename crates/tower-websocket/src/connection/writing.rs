//! How what waits is written, whoever waits for it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_write_buf;

use super::{Connection, Ending};
use crate::pool;

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// Writes all that is queued.
    #[inline]
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.ending {
            Ending::Done => return Poll::Ready(Ok(())),
            Ending::Failed(_) => return Poll::Ready(self.take_failure()),
            // The helper goes on, if there is anything to go on with.
            _ if self.is_abandoned => return Poll::Ready(Ok(())),
            _ => {}
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
        let written = match self.ending {
            Ending::Failed(_) | Ending::Done => Poll::Ready(Ok(())),
            _ => self.poll_write_out(cx),
        };
        let Poll::Ready(written) = written else {
            if !self.is_abandoned {
                return Poll::Pending;
            }
            if matches!(self.ending, Ending::None) {
                self.limit_ending(None);
            }
            return match &mut self.ending {
                Ending::Limited(limit) => limit.deadline.as_mut().poll(cx),
                _ => Poll::Ready(()),
            };
        };
        self.is_deferred = false;
        // Once a close is under way, who waits for it meets the failure as well.
        if let (Err(error), Ending::None) = (written, &self.ending) {
            self.end(error.kind().into());
            self.ending = Ending::Failed(error);
        }
        Poll::Ready(())
    }

    /// Tells that nobody will read or write any more.
    pub(crate) fn abandon(&mut self) {
        self.is_abandoned = true;
        self.wake_senders();
    }

    /// The transport wakes nobody any more, once it is given up.
    pub(super) fn wake_senders(&mut self) {
        if let Some(slow) = self.slow.take() {
            slow.wake_all();
        }
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
        if self.slow.is_none()
            && let Poll::Ready(written) = self.poll_write_to(cx)
        {
            return Poll::Ready(written);
        }
        self.poll_write_slowly(cx)
    }

    /// Writes to a transport that others may wait for, too.
    #[cold]
    fn poll_write_slowly(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let slow = self.slow.get_or_insert_default().clone();
        slow.add(cx.waker());
        let Poll::Ready(written) = self.poll_write_to(&mut Context::from_waker(&slow.clone().into())) else {
            // What waits now is held until the peer reads, however long that is.
            self.driver.charge();
            return Poll::Pending;
        };
        self.slow = None;
        slow.wake_all();
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
            if self.slow.is_some()
                && let Some(alive) = &mut self.alive
            {
                alive.heard();
            }
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
