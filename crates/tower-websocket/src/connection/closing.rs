//! The end of a connection: the closing handshake and its deadline, the last bytes, and reporting.

use std::future::Future;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_util::io::poll_read_buf;
use websocket_driver::{CloseCode, Event, ReadyState, SendError, Timeout, TransportEnd, Version};

use super::{Connection, Next, buffers};
use crate::transport::tcp;

/// The maximum silence of a peer that was notified of the end, before the transport is dropped.
const MAX_SILENCE: Duration = Duration::from_secs(2);

/// The number of reads of discarded data before yielding to other tasks.
const READS: usize = 8;

/// A connection that is ending.
#[derive(Debug)]
pub(super) struct Closing {
    phase: Phase,
    /// When the close timeout expires. `None` means never.
    deadline: Option<Instant>,
    /// Polled only by the background. Most closes need no timer.
    timer: Option<Pin<Box<Sleep>>>,
    /// The event that closed the driver, held until the peer is notified as well.
    last: Option<Event>,
    /// When discarded data was last received.
    received: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The peer has not closed, or the last bytes are not written.
    Handshake,
    /// Everything is written, and the output is shut down.
    ShutDown,
    /// The same, and the background reads and discards what the peer still sends: closing a socket
    /// with unread input resets the connection, and the peer may lose the close frame.
    Lingering,
    /// Nothing is read or written any more.
    Done,
}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Connection<T> {
    pub(crate) fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.driver.start_close(code, reason)?;
        if self.closing.is_none() {
            self.begin_closing(None);
        }
        self.wake_receiver();
        Ok(())
    }

    /// Starts the close timeout for a close that was started on the driver directly.
    #[inline]
    pub(super) fn detect_closing(&mut self) {
        if self.driver.ready_state() == ReadyState::Closing && self.closing.is_none() {
            self.begin_closing(None);
        }
    }

    /// Drops the connection, including data still to be sent or received.
    pub(crate) fn cut(&mut self) {
        // A single poll is enough for most transports. The connection is aborted if it is not.
        let _ = Pin::new(&mut self.io).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        self.end(TransportEnd::Cut);
        self.wake_receiver();
    }

    /// Starts the close timeout. The background enforces it if no task polls the connection.
    pub(super) fn begin_closing(&mut self, last: Option<Event>) {
        let now = Instant::now();
        self.closing = Some(Box::new(Closing {
            phase: Phase::Handshake,
            deadline: now.checked_add(self.driver.timeouts().close),
            timer: None,
            last,
            received: now,
        }));
        // A message that others wait for will not be finished.
        if self.cold.as_mut().is_some_and(|cold| mem::take(&mut cold.awaits_message)) {
            self.wake_senders();
        }
        self.handover.want();
    }

    /// Drops the transport. Received data and the cause remain available from the driver.
    pub(super) fn end(&mut self, end: TransportEnd) {
        if self.driver.output().discard() {
            self.write.failed.get_or_insert_with(|| failure(end));
        }
        if self.closing.is_none() {
            self.begin_closing(None);
        }
        if let Some(closing) = &mut self.closing {
            closing.phase = Phase::Done;
            closing.timer = None;
        }
        self.driver.receive_end(end);
        self.wake_senders();
        self.release_cold();
        self.handover.dismiss();
        // Handles may keep the connection alive for long after this.
        self.io.take();
    }

    /// Panics in debug builds if the flags are in none of the states that [`Connection`] documents.
    #[inline]
    pub(super) fn debug_assert_legal(&self) {
        let phase = self.closing.as_ref().map(|closing| closing.phase);
        debug_assert_eq!(phase == Some(Phase::Done), self.io.get().is_none(), "the transport of {phase:?}");
        debug_assert!(self.write.failed.is_none() || phase.is_some(), "a failed write without a close");
        debug_assert!(self.write.failed.is_none() || phase != Some(Phase::Lingering), "lingering after a failure");
        debug_assert!(self.owners > 0 || self.is_unread, "the socket is one of the owners");
    }

    /// Returns whether nothing is read or written any more, except by the background.
    #[inline]
    pub(super) fn has_ended(&self) -> bool {
        self.closing.as_ref().is_some_and(|closing| matches!(closing.phase, Phase::Lingering | Phase::Done))
    }

    /// Like [`poll_next`](Self::poll_next), once the connection is ending.
    pub(super) fn poll_closing(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        loop {
            if self.has_ended() {
                return Poll::Ready(self.next_unreported());
            }
            if self.driver.is_closed() {
                if self.poll_last_bytes(cx).is_pending() && !self.is_deadline_expired() {
                    return self.wait_for_end(cx);
                }
                self.finish_closing(cx);
                continue;
            }
            // Checked before reading, since there may always be more to read.
            if self.is_deadline_expired() {
                self.expire_closing();
                continue;
            }
            if let Some(event) = self.driver.poll_event() {
                if let Event::Pong(data) = &event
                    && !self.on_pong(data)
                {
                    continue;
                }
                if !self.driver.is_closed() {
                    return Poll::Ready(Next::Event(event));
                }
                if let Some(closing) = &mut self.closing {
                    closing.last = Some(event);
                }
                continue;
            }
            if self.is_turn_used_up() {
                return self.give_way_reading(cx);
            }
            match self.poll_exchange(cx) {
                Poll::Ready(Ok(())) => {}
                // At most one failure is reported.
                Poll::Ready(Err(_)) if mem::replace(&mut self.write.is_reported, true) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Next::Failed(error)),
                Poll::Pending => return self.wait_for_end(cx),
            }
        }
    }

    /// Waits for the peer, or for the background, which enforces the deadline.
    fn wait_for_end(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        // Panics here, rather than in the background, if the runtime has no timer.
        drop(sleep(Duration::ZERO));
        self.wait_to_receive(cx);
        Poll::Pending
    }

    /// Returns the next unreported event of a connection that has ended.
    fn next_unreported(&mut self) -> Next {
        let is_reported = mem::replace(&mut self.write.is_reported, true);
        if let Some(closing) = &mut self.closing {
            // If the peer has closed or violated the protocol, that is the cause, not the failure.
            // A timeout is not an error.
            let is_abnormal = self.driver.close_frame().is_none_or(|close| close.code == CloseCode::ABNORMAL);
            if let Some(kind) = self.write.failed.filter(|kind| *kind != io::ErrorKind::TimedOut)
                && !is_reported
                && is_abnormal
                && !matches!(closing.last, Some(Event::Error(_)))
            {
                return Next::Failed(kind.into());
            }
            if let Some(event) = closing.last.take() {
                return Next::Event(event);
            }
        }
        match self.driver.poll_event() {
            Some(event) => Next::Event(event),
            None => {
                buffers::put(mem::take(self.driver.input()));
                self.driver.conclude();
                self.driver.charge();
                Next::End
            }
        }
    }

    /// Writes the remaining output, and shuts down the transport.
    fn poll_last_bytes(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_output() {
            // A corked last write of a client would be held back until the server closes the
            // transport.
            if !self.driver.expects_eof()
                && let Some(io) = self.io.get()
            {
                tcp::cork(io);
            }
            if let Err(error) = ready!(self.poll_write(cx)) {
                // Whether the peer receives the last bytes or not, the connection has ended.
                self.fail_writing(error);
            }
        }
        // A client lets the server close the transport first (RFC 6455 §7.1.1).
        while self.driver.expects_eof() {
            let mut scratch = buffers::take();
            let read = poll_read_buf(Pin::new(&mut self.io), cx, &mut scratch);
            buffers::put(scratch);
            if !matches!(ready!(read), Ok(read) if read > 0) {
                self.driver.receive_eof();
            }
        }
        self.poll_shutdown(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(closing) = self.closing.as_deref_mut()
            && closing.phase == Phase::Handshake
        {
            // If it fails, so does the next read.
            let _ = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
            closing.phase = Phase::ShutDown;
        }
        Poll::Ready(())
    }

    /// Ends a connection whose last bytes are written or cannot be. If the peer may still be
    /// sending, the background lingers until the peer closes its side too.
    fn finish_closing(&mut self, cx: &mut Context<'_>) {
        let version = self.driver.version();
        let may_send = self.closing.as_ref().is_some_and(|closing| {
            // A peer that has sent a close frame sends nothing more. In hixie-75, only this side
            // closes.
            let has_closed = version != Some(Version::Hixie75) && !matches!(closing.last, Some(Event::Error(_)));
            closing.phase == Phase::ShutDown && !has_closed
        });
        if may_send && self.write.failed.is_none() && !self.is_deadline_expired() && self.poll_discard(cx).is_pending()
        {
            self.linger();
        } else {
            self.end(TransportEnd::Ended);
        }
    }

    fn linger(&mut self) {
        if let Some(closing) = &mut self.closing {
            closing.phase = Phase::Lingering;
            closing.received = Instant::now();
        }
        buffers::put(mem::take(self.driver.input()));
        // Waiting senders cannot make progress any more.
        self.wake_senders();
        self.release_cold();
        if self.is_unattended() {
            self.driver.conclude();
        }
        self.handover.want();
    }

    /// Reads and discards. Ready when the peer has closed its side.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = buffers::take();
        for _ in 0..READS {
            scratch.clear();
            match poll_read_buf(Pin::new(&mut self.io), cx, &mut scratch) {
                Poll::Ready(Ok(read)) if read > 0 => {
                    if let Some(closing) = &mut self.closing {
                        closing.received = Instant::now();
                    }
                }
                read => {
                    buffers::put(scratch);
                    return read.map(drop);
                }
            }
        }
        buffers::put(scratch);
        self.give_way(cx)
    }

    #[inline]
    fn is_deadline_expired(&self) -> bool {
        // Read from the clock, since timers do not fire before the task yields.
        let deadline = self.closing.as_ref().and_then(|closing| closing.deadline);
        deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Ends the connection if the peer has not answered a close in time.
    pub(super) fn expire_closing(&mut self) {
        self.end(TransportEnd::TimedOut(Timeout::Close));
        self.driver.conclude();
        self.wake_receiver();
    }
}

/// Called by the [background](crate::background).
impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Connection<T> {
    pub(super) fn is_lingering(&self) -> bool {
        self.closing.as_ref().is_some_and(|closing| closing.phase == Phase::Lingering)
    }

    /// Returns whether nothing is read by the application any more, so that the background ends the
    /// connection.
    pub(super) fn is_unattended(&self) -> bool {
        self.is_unread && (self.owners == 0 || self.closing.is_some())
    }

    /// Drops the timer, which belongs to the runtime that last polled it.
    pub(super) fn reset_timer(&mut self) {
        if let Some(closing) = &mut self.closing {
            closing.timer = None;
        }
    }

    /// Waits for the deadline of a close, or forever if there is none.
    pub(super) fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.closing {
            Some(closing) => closing.deadline.map_or(Poll::Pending, |deadline| closing.poll_until(cx, deadline)),
            None => Poll::Pending,
        }
    }

    /// Shuts down the output of a connection that is not read any more, and lingers.
    pub(super) fn poll_end_output(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.write.failed.is_some() {
            self.end(TransportEnd::Dropped);
            return Poll::Ready(());
        }
        ready!(self.poll_shutdown(cx));
        self.linger();
        self.poll_linger(cx)
    }

    /// Discards input until the peer closes its side, is silent for a while, or the close timeout
    /// expires.
    pub(super) fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_discard(cx).is_pending()
            && let Some(closing) = &mut self.closing
        {
            let silent = closing.received + MAX_SILENCE;
            ready!(closing.poll_until(cx, closing.deadline.map_or(silent, |deadline| deadline.min(silent))));
        }
        self.end(TransportEnd::Ended);
        Poll::Ready(())
    }

    /// Removes one of the handles that keep the connection open. The last one, or the reader's,
    /// leaves the end to the background.
    pub(crate) fn release_owner(&mut self, is_reader: bool) {
        self.owners -= 1;
        self.is_unread |= is_reader;
        if self.owners == 0 {
            // Senders waiting for room are refused.
            self.wake_senders();
        }
        if !self.is_unattended() || self.has_ended() {
            return;
        }
        // If the connection is closing, its end is still to come.
        if self.closing.is_none() {
            self.driver.receive_end(TransportEnd::Dropped);
        }
        if self.has_output() || self.closing.is_some() {
            if self.closing.is_none() {
                self.begin_closing(None);
            }
            self.handover.want();
        }
    }

    pub(crate) fn add_owner(&mut self) {
        self.owners += 1;
    }
}

impl Closing {
    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(cx)
    }
}

/// Returns the error for senders whose messages were accepted but not written because of this end.
fn failure(end: TransportEnd) -> io::ErrorKind {
    match end {
        TransportEnd::TimedOut(_) => io::ErrorKind::TimedOut,
        TransportEnd::Failed(kind) => kind,
        TransportEnd::Reset => io::ErrorKind::ConnectionReset,
        TransportEnd::Cut => io::ErrorKind::ConnectionAborted,
        _ => io::ErrorKind::BrokenPipe,
    }
}
