//! The one loop between a transport and a driver: poll events, write, read, again.

mod ending;

use std::future::Future;
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;
use tokio_util::io::{poll_read_buf, poll_write_buf};
use websocket_driver::{Batch, CloseCode, Driver, Due, Event, Message, PreparedMessage, ReadyState, SendError};

use crate::alive::Alive;
use crate::error::Error;
use crate::pool;
use crate::waiting::Waiting;

#[derive(Debug)]
pub(crate) struct Connection<T> {
    io: T,
    driver: Driver,
    /// Something was written that the transport may still hold back.
    unflushed: bool,
    /// Something waits to be written without anyone waiting for it, see [`deferred`](crate::deferred).
    is_deferred: bool,
    /// The socket was dropped; what waits is all that there is left to do.
    is_abandoned: bool,
    /// Someone else than who receives may act, so that this one may have to be woken.
    is_watched: bool,
    /// Who receives, and waits.
    receiver: Option<Waker>,
    /// Who waits for the transport to take more, where it has not taken all.
    slow: Option<Arc<Waiting>>,
    /// Where a peer that says nothing is looked after, from the end of the handshake on.
    alive: Option<Box<Alive>>,
    ending: Ending,
}

/// The answer of [`Connection::defer`].
pub(crate) enum Defer {
    /// Write now.
    No,
    /// Write later, and see to it that it happens.
    Now,
    /// Write later; it was seen to.
    Already,
}

/// How far the end of the connection is.
#[derive(Debug)]
enum Ending {
    /// Nothing of the kind.
    None,
    /// A close is under way, and takes no longer than this.
    Limited(Box<Limit>),
    /// The transport failed while nobody was waiting for it, and it is to be told yet.
    Failed(io::Error),
    /// Nothing is read or written any more; what the driver still tells is told.
    Done,
}

#[derive(Debug)]
struct Limit {
    deadline: Pin<Box<Sleep>>,
    /// What the driver told when it was closed, held until the peer knows as well.
    last: Option<Event>,
    is_shut_down: bool,
    discarded: usize,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    pub(crate) fn new(io: T, driver: Driver) -> Self {
        Self {
            io,
            driver,
            unflushed: false,
            is_deferred: false,
            is_abandoned: false,
            is_watched: false,
            receiver: None,
            slow: None,
            alive: None,
            ending: Ending::None,
        }
    }

    pub(crate) fn driver(&self) -> &Driver {
        &self.driver
    }

    pub(crate) fn driver_mut(&mut self) -> &mut Driver {
        &mut self.driver
    }

    pub(crate) fn into_parts(mut self) -> (T, BytesMut) {
        let read = mem::take(self.driver.input());
        (self.io, read)
    }

    /// Waits for what comes: the next event, or messages, which are in the batch then; `None` when all is told and the
    /// transport is shut down. Before it waits for the peer, it writes what is queued.
    #[inline]
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut Batch,
    ) -> Poll<Option<io::Result<Option<Event>>>> {
        let next = self.poll_next_unwatched(cx, batch);
        if next.is_pending() && self.is_watched && !self.receiver.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            self.receiver = Some(cx.waker().clone());
        }
        next
    }

    #[inline]
    fn poll_next_unwatched(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut Batch,
    ) -> Poll<Option<io::Result<Option<Event>>>> {
        self.driver.take_back(batch);
        loop {
            if !matches!(self.ending, Ending::None) {
                return self.poll_ending(cx).map(|event| event.map(|event| event.map(Some)));
            }
            self.driver.lend(batch);
            if batch.has_next() {
                self.used();
                return Poll::Ready(Some(Ok(None)));
            }
            if let Some(event) = self.driver.poll_event() {
                if matches!(event, Event::Message(_)) {
                    self.used();
                }
                if !self.driver.is_closed() {
                    return Poll::Ready(Some(Ok(Some(event))));
                }
                self.limit_ending(Some(event));
                continue;
            }
            match self.poll_exchange(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                Poll::Pending if self.alive.is_none() => return Poll::Pending,
                Poll::Pending => ready!(self.poll_alive(cx)),
            }
        }
    }

    /// Does what is due for a peer that says nothing; `Pending` while nothing is.
    fn poll_alive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(alive) = &mut self.alive else {
            return Poll::Pending;
        };
        match ready!(alive.poll(cx)) {
            // Where the output is full, the peer is not reading, and a ping would tell nothing more.
            Due::Ping => drop(self.writable().map(|driver| driver.ping(Bytes::new()))),
            Due::Idle => {
                self.alive = None;
                // A code and a reason that can be sent.
                let _ = self.start_close(CloseCode::GOING_AWAY, "idle for too long");
            }
            _ => self.end(),
        }
        Poll::Ready(())
    }

    /// A message came or goes.
    #[inline]
    fn used(&mut self) {
        if let Some(alive) = &mut self.alive {
            alive.used();
        }
    }

    /// Looks after the peer from here on, if the configuration says so.
    pub(crate) fn opened(&mut self) {
        self.alive = Alive::new(self.driver.config(), self.driver.version());
    }

    /// Waits for the outcome of the handshake, before which there are no messages.
    pub(crate) fn poll_opening(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Event>>> {
        let next = ready!(self.poll_next(cx, &mut Batch::default()));
        Poll::Ready(next.and_then(io::Result::transpose))
    }

    /// Waits until a message can be taken.
    #[inline]
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Where nothing can be sent any more, that is told at once.
        let is_full = self.driver.is_output_full() && self.driver.ready_state() == ReadyState::Open;
        if is_full { self.poll_flush(cx) } else { Poll::Ready(Ok(())) }
    }

    /// Takes a message, if it was not taken before, once it can be.
    #[inline]
    pub(crate) fn poll_feed(&mut self, cx: &mut Context<'_>, message: &mut Option<Message>) -> Poll<Result<(), Error>> {
        match message {
            Some(next) if self.start_send_short(next) => *message = None,
            Some(_) => {
                ready!(self.poll_ready(cx))?;
                if let Some(message) = message.take() {
                    self.start_send(message)?;
                }
            }
            None => {}
        }
        Poll::Ready(Ok(()))
    }

    /// Takes a short message, if nothing is in its way.
    #[inline]
    fn start_send_short(&mut self, message: &Message) -> bool {
        self.used();
        !self.is_abandoned
            && matches!(self.ending, Ending::None)
            && self.driver.output().has_buffer()
            && self.driver.send_short(message)
    }

    /// Takes a message, to be written with the next flush.
    #[inline]
    pub(crate) fn start_send(&mut self, message: Message) -> Result<(), SendError> {
        self.used();
        self.writable()?.send(message)
    }

    /// Takes a message, to be written by the helper, to which the connection must be given.
    pub(crate) fn start_send_deferred(&mut self, message: Message) -> Result<(), SendError> {
        self.start_send(message)?;
        self.is_deferred = true;
        Ok(())
    }

    /// There is no helper to write what was taken.
    pub(crate) fn undefer(&mut self) {
        self.is_deferred = false;
    }

    /// Takes a ping, if it was not taken before, once it can be.
    pub(crate) fn poll_ping(&mut self, cx: &mut Context<'_>, data: &mut Option<Bytes>) -> Poll<Result<(), Error>> {
        if data.is_some() {
            ready!(self.poll_ready(cx))?;
        }
        if let Some(data) = data.take() {
            self.writable()?.ping(data)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes a prepared message, if it was not taken before, once it can be.
    pub(crate) fn poll_prepared(
        &mut self,
        cx: &mut Context<'_>,
        prepared: &mut Option<&PreparedMessage>,
    ) -> Poll<Result<(), Error>> {
        if prepared.is_some() {
            ready!(self.poll_ready(cx))?;
        }
        if let Some(prepared) = prepared.take() {
            self.used();
            self.writable()?.send_prepared(prepared)?;
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.driver.close(code, reason)?;
        if matches!(self.ending, Ending::None) {
            self.limit_ending(None);
        }
        self.wake_receiver();
        Ok(())
    }

    /// Takes a close, to be written by the helper, to which the connection must be given.
    pub(crate) fn start_close_deferred(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.start_close(code, reason)?;
        self.is_deferred = true;
        Ok(())
    }

    /// Tells that someone else than who receives may act from here on.
    pub(crate) fn watch(&mut self) {
        self.is_watched = true;
    }

    fn wake_receiver(&mut self) {
        if let Some(receiver) = self.receiver.take() {
            receiver.wake();
        }
    }

    /// Limits a close that was begun on the driver itself.
    #[inline]
    pub(crate) fn note_closing(&mut self) {
        if self.driver.ready_state() == ReadyState::Closing && matches!(self.ending, Ending::None) {
            self.limit_ending(None);
        }
    }

    /// Whether it is better to write later: more messages have come already, and what is said to them can leave with what
    /// waits now. Tells it at most once, until something is flushed.
    #[inline]
    pub(crate) fn defer(&mut self, has_message: bool) -> Defer {
        let has_more = has_message || self.driver.has_frame();
        if !has_more || !matches!(self.ending, Ending::None) || self.driver.is_output_full() {
            return Defer::No;
        }
        if mem::replace(&mut self.is_deferred, true) { Defer::Already } else { Defer::Now }
    }

    /// Writes all that is queued.
    #[inline]
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.ending {
            Ending::Done => return Poll::Ready(Ok(())),
            Ending::Failed(_) => return Poll::Ready(self.take_failure()),
            _ => {}
        }
        self.poll_write(cx).map_err(|error| {
            self.end();
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
            self.end();
            self.ending = Ending::Failed(error);
        }
        Poll::Ready(())
    }

    /// Tells that nobody will read or write any more.
    pub(crate) fn abandon(&mut self) {
        self.is_abandoned = true;
    }

    /// Writes all that is queued, for someone who waits for it.
    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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
        let written = ready!(self.poll_write_to(&mut Context::from_waker(&slow.clone().into())));
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
        }
        if self.unflushed {
            pool::put(self.driver.output().reclaim());
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what is queued, then reads what has come. It reads while the transport takes nothing, too: two peers that both
    /// wait to be read would wait for ever.
    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(written) = self.poll_flush(cx) {
            written?;
        }
        let missing = self.driver.missing();
        let input = self.driver.input();
        pool::make_room(input, missing);
        match poll_read_buf(Pin::new(&mut self.io), cx, input) {
            Poll::Ready(Ok(0)) => self.driver.receive_eof(),
            Poll::Ready(Ok(_)) => {
                if let Some(alive) = &mut self.alive {
                    alive.heard();
                }
            }
            Poll::Ready(Err(error)) => {
                self.end();
                return Poll::Ready(Err(error));
            }
            Poll::Pending => {
                pool::rest(input);
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The driver, with a buffer to write to.
    #[inline]
    pub(crate) fn writable(&mut self) -> Result<&mut Driver, SendError> {
        if self.is_abandoned || matches!(self.ending, Ending::Failed(_) | Ending::Done) {
            return Err(SendError::Closed);
        }
        let output = self.driver.output();
        if !output.has_buffer() {
            output.lend(pool::take());
        }
        Ok(&mut self.driver)
    }
}
