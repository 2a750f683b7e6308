//! How a connection ends: the closing handshake and its deadline, the last bytes, and what is reported of it.

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

/// How long a peer that was told about the end may send nothing before it is not waited for any more.
const SILENCE: Duration = Duration::from_secs(2);

/// The reads of what is discarded before other tasks have their turn.
const READS: usize = 8;

/// A connection that is ending.
#[derive(Debug)]
pub(super) struct Closing {
    phase: Phase,
    /// The end of the close timeout; `None` means never.
    deadline: Option<Instant>,
    /// Polled by the background alone. Most closes need none.
    timer: Option<Pin<Box<Sleep>>>,
    /// The event that closed the driver, held until the peer knows as well.
    last: Option<Event>,
    is_shut_down: bool,
    /// When something was received last that was discarded.
    received: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The peer has not closed, or the last bytes are not written.
    Handshake,
    /// All is written and shut down. What the peer still sends is read and discarded: a socket that is closed with unread input
    /// resets the connection, and the peer may lose the close frame that says why.
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

    /// Bounds a close that was begun on the driver itself.
    #[inline]
    pub(super) fn note_closing(&mut self) {
        if self.driver.ready_state() == ReadyState::Closing && self.closing.is_none() {
            self.begin_closing(None);
        }
    }

    /// Drops the connection, whatever is still to be sent or received.
    pub(crate) fn cut(&mut self) {
        // It is done at once on most transports, and otherwise nothing is owed to anyone any more.
        let _ = Pin::new(&mut self.io).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        self.end(TransportEnd::Cut);
        self.wake_receiver();
    }

    /// Bounds the end that has begun, which the background sees to if nobody else does.
    pub(super) fn begin_closing(&mut self, last: Option<Event>) {
        let now = Instant::now();
        self.closing = Some(Box::new(Closing {
            phase: Phase::Handshake,
            deadline: now.checked_add(self.driver.timeouts().close),
            timer: None,
            last,
            is_shut_down: false,
            received: now,
        }));
        self.handover.want();
    }

    /// Drops the transport. What was received already can still be had from the driver, and how it ended.
    pub(super) fn end(&mut self, end: TransportEnd) {
        if self.driver.output().discard() {
            self.write.failed.get_or_insert(failure(end));
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
        // Those that keep the connection may do so for long.
        self.io.take();
    }

    /// Returns whether nothing is read or written any more, for others than the background.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.closing.as_ref().is_some_and(|closing| closing.phase != Phase::Handshake)
    }

    /// As [`poll_next`](Self::poll_next), once the connection is ending.
    #[cold]
    pub(super) fn poll_closing(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        loop {
            if self.is_over() {
                return Poll::Ready(self.next_unreported());
            }
            if self.driver.is_closed() {
                if self.poll_last_bytes(cx).is_pending() && !self.is_deadline_over() {
                    return self.wait_for_end(cx);
                }
                self.finish_closing(cx);
                continue;
            }
            // Before anything is read, as there may always be more to read.
            if self.is_deadline_over() {
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
            if self.is_turn_over() {
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

    /// Waits for the peer, or for the background, which knows the deadline.
    fn wait_for_end(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        // So that a runtime without a timer panics here, and not in the background.
        drop(sleep(Duration::ZERO));
        self.wait_to_receive(cx);
        Poll::Pending
    }

    /// Returns what was not reported yet of a connection that is over.
    fn next_unreported(&mut self) -> Next {
        let is_reported = mem::replace(&mut self.write.is_reported, true);
        if let Some(closing) = &mut self.closing {
            // Unless the peer has closed, or broke the protocol: that is the cause then. A timeout is no error.
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

    /// Writes what is left, and ends the output.
    fn poll_last_bytes(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_output() {
            // What a client writes last would be held back until the server has ended the transport.
            if !self.driver.expects_eof()
                && let Some(io) = self.io.get()
            {
                tcp::cork(io);
            }
            if let Err(error) = ready!(self.poll_write(cx)) {
                // Whether the peer takes the last bytes or not, the connection is over.
                self.fail_writing(error);
            }
        }
        // A client lets the server be the first to end the transport (RFC 6455 §7.1.1).
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
            && !closing.is_shut_down
        {
            // If it fails, so does the next read.
            let _ = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
            closing.is_shut_down = true;
        }
        Poll::Ready(())
    }

    /// Ends a connection whose last bytes are written, or will not be. If the peer may still be sending, the background
    /// lingers until it has ended its side too.
    fn finish_closing(&mut self, cx: &mut Context<'_>) {
        let version = self.driver.version();
        let may_send = self.closing.as_ref().is_some_and(|closing| {
            // A peer that has closed sends nothing more; on hixie-75 this side closes alone.
            let has_closed = version != Some(Version::Hixie75) && !matches!(closing.last, Some(Event::Error(_)));
            closing.is_shut_down && !has_closed
        });
        if may_send && self.write.failed.is_none() && !self.is_deadline_over() && self.poll_discard(cx).is_pending() {
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
        // Nothing else can become of those that wait.
        self.wake_senders();
        self.release_cold();
        if self.is_unattended() {
            self.driver.conclude();
        }
        self.handover.want();
    }

    /// Reads and discards; ready when the peer has ended its side.
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
    fn is_deadline_over(&self) -> bool {
        // By the clock, as timers do not fire before the task yields.
        let deadline = self.closing.as_ref().and_then(|closing| closing.deadline);
        deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// The peer has not answered a close in time: as if it were gone.
    pub(super) fn expire_closing(&mut self) {
        self.end(TransportEnd::TimedOut(Timeout::Close));
        self.driver.conclude();
        self.wake_receiver();
    }
}

/// Driven by the [background](crate::background).
impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Connection<T> {
    pub(super) fn is_lingering(&self) -> bool {
        self.closing.as_ref().is_some_and(|closing| closing.phase == Phase::Lingering)
    }

    /// Returns whether nobody will read any more, so that the end is left to the background.
    pub(super) fn is_unattended(&self) -> bool {
        self.is_unread && (self.owners == 0 || self.closing.is_some())
    }

    /// Forgets the timer, which belongs to the runtime that polled it last.
    pub(super) fn reset_timer(&mut self) {
        if let Some(closing) = &mut self.closing {
            closing.timer = None;
        }
    }

    /// Waits for the deadline of a close; for ever if there is none.
    pub(super) fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.closing {
            Some(closing) => closing.deadline.map_or(Poll::Pending, |deadline| closing.poll_until(cx, deadline)),
            None => Poll::Pending,
        }
    }

    /// Ends the output of a connection that nobody reads from, and lingers.
    pub(super) fn poll_last_words(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.write.failed.is_some() {
            self.end(TransportEnd::Dropped);
            return Poll::Ready(());
        }
        ready!(self.poll_shutdown(cx));
        self.linger();
        self.poll_linger(cx)
    }

    /// Discards what arrives until the peer ends its side, sends nothing for a while, or the close timeout is over.
    pub(super) fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_discard(cx).is_pending()
            && let Some(closing) = &mut self.closing
        {
            let silent = closing.received + SILENCE;
            ready!(closing.poll_until(cx, closing.deadline.map_or(silent, |deadline| deadline.min(silent))));
        }
        self.end(TransportEnd::Ended);
        Poll::Ready(())
    }

    /// One handle less keeps the connection open. The last, or that of the reader, leaves the rest to the background.
    pub(crate) fn release_owner(&mut self, is_reader: bool) {
        self.owners -= 1;
        self.is_unread |= is_reader;
        if self.owners == 0 {
            // Those that wait for room are refused.
            self.wake_senders();
        }
        if !self.is_unattended() || self.is_over() {
            return;
        }
        // Unless there was another reason before.
        self.driver.receive_end(TransportEnd::Dropped);
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

/// The error of those whose messages were taken and not written, since the connection ended so.
fn failure(end: TransportEnd) -> io::ErrorKind {
    match end {
        TransportEnd::TimedOut(_) => io::ErrorKind::TimedOut,
        TransportEnd::Failed(kind) => kind,
        TransportEnd::Reset => io::ErrorKind::ConnectionReset,
        TransportEnd::Cut => io::ErrorKind::ConnectionAborted,
        _ => io::ErrorKind::BrokenPipe,
    }
}
