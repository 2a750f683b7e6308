//! How a connection ends: the time limit of a close, the last bytes, and what is told of it.

use std::future::Future;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};
use tokio_util::io::poll_read_buf;
use websocket_driver::{CloseCause, Event, Timeout};

use super::{Connection, Ending, Limit};
use crate::{pool, tcp};

/// How much of what a peer still sends is read, and thrown away, after the last byte was written. A socket that is closed
/// with input unread resets the connection, and the peer may lose the close frame that tells it why.
const DISCARDED: usize = 1024 * 1024;

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Connection<T> {
    /// Gives up the connection, whatever is still to be sent or received.
    pub(crate) fn cut(&mut self) {
        self.end(CloseCause::Cut);
        // It does not wait: on most transports it is done at once, and else nothing is owed to anyone any more.
        let _ = Pin::new(&mut self.io).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        self.wake_receiver();
    }

    /// As `poll_next`, once a close is under way.
    #[cold]
    pub(super) fn poll_ending(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Event>>> {
        loop {
            if let Err(error) = self.take_failure() {
                return Poll::Ready(Some(Err(error)));
            }
            let Some(Ending::Limited(limit)) = self.ending.as_deref_mut() else {
                let event = self.driver.poll_event();
                if event.is_none() {
                    pool::put(mem::take(self.driver.input()));
                    self.driver.conclude();
                    self.driver.charge();
                }
                return Poll::Ready(event.map(Ok));
            };
            if self.driver.is_closed() {
                // Whether the peer takes the last bytes or not, it is over: errors change nothing.
                if self.poll_last_bytes(cx).is_pending() {
                    ready!(self.poll_limit(cx));
                }
                let last = match self.ending.as_deref_mut() {
                    Some(Ending::Limited(limit)) => limit.last.take(),
                    _ => None,
                };
                self.end(CloseCause::Ended);
                if let Some(event) = last {
                    return Poll::Ready(Some(Ok(event)));
                }
                continue;
            }
            // Before anything is read, as there may always be more to read.
            if limit.poll_passed(cx).is_ready() {
                // The peer has not answered in time: as if it were gone.
                self.end(CloseCause::Timeout(Timeout::Close));
                continue;
            }
            if let Some(event) = self.driver.poll_event() {
                if !self.driver.is_closed() {
                    return Poll::Ready(Some(Ok(event)));
                }
                limit.last = Some(event);
                continue;
            }
            if let Err(error) = ready!(self.poll_exchange(cx)) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }

    /// Writes what is left, ends the output, and takes off what the peer has sent meanwhile, without waiting for more.
    fn poll_last_bytes(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // What a client writes last would be held back until the server has ended the transport.
        if self.driver.wants_write() && !self.driver.expects_eof() {
            tcp::cork(&self.io);
        }
        if ready!(self.poll_write(cx)).is_err() {
            return Poll::Ready(());
        }
        // A client lets the server be the first to end the transport (RFC 6455 §7.1.1).
        while self.driver.expects_eof() {
            let mut scratch = pool::take();
            let read = poll_read_buf(Pin::new(&mut self.io), cx, &mut scratch);
            pool::put(scratch);
            if !matches!(ready!(read), Ok(read) if read > 0) {
                self.driver.receive_eof();
            }
        }
        let Some(Ending::Limited(limit)) = self.ending.as_deref_mut() else {
            return Poll::Ready(());
        };
        if !limit.is_shut_down {
            if ready!(Pin::new(&mut self.io).poll_shutdown(cx)).is_err() {
                return Poll::Ready(());
            }
            limit.is_shut_down = true;
        }
        let mut scratch = pool::take();
        while limit.discarded < DISCARDED {
            scratch.clear();
            match poll_read_buf(Pin::new(&mut self.io), cx, &mut scratch) {
                Poll::Ready(Ok(read)) if read > 0 => limit.discarded += read,
                _ => break,
            }
        }
        pool::put(scratch);
        Poll::Ready(())
    }

    /// Tells a failure that was not told yet.
    pub(super) fn take_failure(&mut self) -> io::Result<()> {
        if let Some(ending) = self.ending.as_deref_mut()
            && matches!(ending, Ending::Failed(_))
            && let Ending::Failed(error) = mem::take(ending)
        {
            return Err(error);
        }
        Ok(())
    }

    /// Whether nothing is read or written any more.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        matches!(self.ending.as_deref(), Some(Ending::Failed(_) | Ending::Done))
    }

    pub(super) fn limit_ending(&mut self, last: Option<Event>) {
        let limit = self.driver.config().get_close_timeout();
        self.ending = Some(Box::new(Ending::Limited(Limit {
            deadline: Instant::now().checked_add(limit),
            timer: None,
            last,
            is_shut_down: false,
            discarded: 0,
        })));
    }

    /// Waits until the time of a close is over, if there is one under way.
    pub(super) fn poll_limit(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.ending.as_deref_mut() {
            Some(Ending::Limited(limit)) => limit.poll_passed(cx),
            _ => Poll::Ready(()),
        }
    }

    /// Gives up the transport. What has come already can still be had from the driver, and how it ended.
    pub(super) fn end(&mut self, cause: CloseCause) {
        **self.ending.get_or_insert_with(Default::default) = Ending::Done;
        self.driver.receive_end(cause);
        self.wake_senders();
        self.rare = None;
    }
}

impl Limit {
    /// Waits until the time is over. By the clock, too, as a timer does not fire before the task yields.
    fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.as_mut().poll(cx).is_pending() && Instant::now() < deadline {
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}
