//! The one loop between a transport and a driver: poll events, write, read, again.

mod ending;
mod minding;
mod sending;
mod writing;

use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep};
use tokio_util::io::poll_read_buf;
use websocket_driver::{Batch, Driver, Event};

pub(crate) use self::sending::Defer;
use crate::alive::Alive;
use crate::pings::Pings;
use crate::pool;
use crate::shutdown::Entry;
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
    /// Where a peer that says nothing is looked after, from the end of the handshake on.
    alive: Option<Alive>,
    /// Its place in a [`Shutdown`](crate::Shutdown), which it has until the last bytes are written.
    entry: Option<Entry>,
    /// Boxed, since every connection has a place for it, and few have it.
    rare: Option<Box<Rare>>,
    /// A message is told to it.
    counts_use: bool,
    /// The driver goes by the time.
    needs_time: bool,
    /// Something came since the peer was looked after.
    is_heard: bool,
    /// There is something to do for the peer.
    is_due: bool,
    /// Boxed, since every connection has a place for it, and it is soon over then.
    ending: Option<Box<Ending>>,
}

#[derive(Debug, Default)]
struct Rare {
    /// Who waits for the transport to take more, where it has not taken all.
    slow: Option<Arc<Waiting>>,
    /// The pings whose pongs somebody waits for.
    pings: Pings,
}

/// How far the end of the connection is.
#[derive(Debug, Default)]
enum Ending {
    /// A close is under way, and takes no longer than this.
    Limited(Limit),
    /// The transport failed while nobody was waiting for it, and it is to be told yet.
    Failed(io::Error),
    /// Nothing is read or written any more; what the driver still tells is told.
    #[default]
    Done,
}

#[derive(Debug)]
struct Limit {
    /// `None`: never.
    deadline: Option<Instant>,
    /// Made once there is something to wait for, as most closes are done at once.
    timer: Option<Pin<Box<Sleep>>>,
    /// What the driver told when it was closed, held until the peer knows as well.
    last: Option<Event>,
    is_shut_down: bool,
    discarded: usize,
}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Connection<T> {
    pub(crate) fn new(io: T, driver: Driver) -> Self {
        Self {
            io,
            driver,
            unflushed: false,
            is_deferred: false,
            is_abandoned: false,
            is_watched: false,
            receiver: None,
            alive: None,
            entry: None,
            rare: None,
            counts_use: false,
            needs_time: false,
            is_heard: false,
            is_due: false,
            ending: None,
        }
    }

    pub(crate) fn io(&self) -> &T {
        &self.io
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
            if self.ending.is_some() {
                return self.poll_ending(cx).map(|event| event.map(|event| event.map(Some)));
            }
            self.driver.lend(batch);
            if batch.has_next() {
                self.used();
                return Poll::Ready(Some(Ok(None)));
            }
            if let Some(event) = self.driver.poll_event() {
                match &event {
                    Event::Message(_) => self.used(),
                    Event::Pong(data) => self.take_pong(data),
                    _ => {}
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
                Poll::Pending if self.mind() => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Gives it a place in a shutdown, in exchange for the one it had.
    pub(crate) fn enter(&mut self, entry: Entry) -> Option<Entry> {
        self.entry.replace(entry)
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

    /// Waits for the outcome of the handshake, before which there are no messages.
    pub(crate) fn poll_opening(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Event>>> {
        let next = ready!(self.poll_next(cx, &mut Batch::default()));
        Poll::Ready(next.and_then(io::Result::transpose))
    }

    /// Writes what is queued, then reads what has come. It reads while the transport takes nothing, too: two peers that both
    /// wait to be read would wait for ever.
    #[inline(always)]
    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if (self.unflushed || self.driver.wants_write())
            && let Poll::Ready(written) = self.poll_flush(cx)
        {
            written?;
        }
        let missing = self.driver.missing();
        let input = self.driver.input();
        pool::make_room(input, missing);
        match poll_read_buf(Pin::new(&mut self.io), cx, input) {
            Poll::Ready(Ok(0)) => self.driver.receive_eof(),
            Poll::Ready(Ok(_)) => {
                self.is_heard = true;
                if self.needs_time {
                    self.driver.tick(Instant::now().into());
                }
            }
            Poll::Ready(Err(error)) => {
                self.end(error.kind().into());
                return Poll::Ready(Err(error));
            }
            Poll::Pending => {
                pool::rest(input);
                self.driver.charge();
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;
    use crate::upgraded::Upgraded;

    #[test]
    fn a_connection_is_small_whatever_it_is_over() {
        assert!(size_of::<Connection<()>>() <= 304, "{}", size_of::<Connection<()>>());
        assert_eq!(size_of::<Upgraded>(), size_of::<TcpStream>());
    }
}
