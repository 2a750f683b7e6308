//! One connection: the loop between its transport and its driver, which polls events, writes, reads, and begins again.
//!
//! [`shared`] has what locks it and hands it to the [background](crate::background). No lock is held while code of the
//! application runs: handlers and observers are called by those that hold no connection.

pub(crate) mod buffers;
mod closing;
mod handover;
mod keepalive;
mod observer;
mod pings;
mod sending;
pub(crate) mod shared;
mod transport;
mod writing;

use std::future::Future;
use std::io;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::Instant;
use tokio_util::io::poll_read_buf;
use websocket_driver::{Batch, Driver, Event, ReadyState};

use self::closing::Closing;
use self::handover::Handover;
use self::keepalive::Keepalive;
use self::observer::ObserverCell;
use self::pings::Pings;
pub(crate) use self::sending::{FlushPlan, WakerSlot};
use self::transport::Transport;
use self::writing::WriteSide;
use crate::background::Worker;
use crate::shutdown::members::Membership;

/// The frames handled before other tasks have their turn: some 100 µs of echoing short messages.
const TURN_FRAMES: u32 = 1024;

/// The kibibytes read and written before other tasks have their turn: less than a millisecond of copying. Measured: with a quarter
/// of it, messages of 1 MiB are written when they are out of the cache, and cost a quarter more.
const TURN_KIB: u16 = 4096;

#[derive(Debug)]
pub(crate) struct Connection<T> {
    io: Transport<T>,
    driver: Driver,
    write: WriteSide,
    /// The task that receives, while it waits.
    receiver: Option<Waker>,
    /// The timers of an open connection, if it is configured to have any.
    keepalive: Option<Keepalive>,
    /// Its registration with a [`Shutdown`](crate::Shutdown), which it has until its last bytes are written.
    membership: Option<Box<Membership>>,
    /// Boxed, since every connection has room for it and few need it.
    cold: Option<Box<ColdState>>,
    /// Boxed likewise; it does not last long.
    closing: Option<Box<Closing>>,
    handover: Handover,
    /// The kibibytes that may still be read and written before other tasks have their turn.
    turn_kib: u16,
    /// The number of handles that keep the connection open: a [`WebSocket`](crate::WebSocket) and the senders of its split.
    owners: u32,
    /// The [`WebSocket`](crate::WebSocket) was dropped, so nothing is received any more.
    is_unread: bool,
    /// How many pong timeouts it takes to drop the connection.
    patience: Patience,
    /// Messages are reported to the idle timer.
    counts_messages: bool,
    /// Something was received since the last tick, or the transport took what it had refused before.
    is_active: bool,
    /// A timer has expired, which the receiver has to handle.
    is_due: bool,
}

#[derive(Debug, Default)]
struct ColdState {
    /// The task that sends by the [`WebSocket`](crate::WebSocket) itself, while it waits.
    sender: Option<Waker>,
    /// Notified when the transport took something that others wait for.
    progress: Arc<Notify>,
    /// The pings whose pongs are waited for.
    pings: Pings,
    /// The bytes that the kernel had taken and not sent when the peer was found to be silent.
    unsent: Option<u32>,
    /// The background task of the thread that opened the connection, if no timer knows it.
    home: Option<Arc<Worker>>,
    observer: Option<Arc<ObserverCell>>,
    keepalive_pong: KeepalivePong,
}

/// How many pong timeouts it takes to drop a connection. Two if its transport shares a window with others, as on HTTP/2: while
/// sockets whose peers do not read hold all of that window, the pongs of others have none, until those sockets have timed out. Two
/// also if a ping may be behind megabytes in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    One,
    Two,
    /// One of two has passed.
    Last,
}

/// What becomes of the pong that answers a keepalive ping.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum KeepalivePong {
    #[default]
    Reported,
    /// It is not reported to the application, and none is due.
    Hidden,
    /// The next that answers such a ping is not reported.
    Due,
}

/// What a connection has for the task that receives.
pub(crate) enum Next {
    /// Messages, which are in the batch.
    Messages,
    Event(Event),
    /// The transport failed.
    Failed(io::Error),
    /// Everything was reported, and the transport is shut down.
    End,
}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Connection<T> {
    pub(crate) fn new(io: T, mut driver: Driver) -> Self {
        driver.grant(TURN_FRAMES);
        Self {
            io: Transport::new(io),
            driver,
            write: WriteSide::default(),
            receiver: None,
            keepalive: None,
            membership: None,
            cold: None,
            closing: None,
            handover: Handover::default(),
            turn_kib: TURN_KIB,
            owners: 1,
            is_unread: false,
            patience: Patience::One,
            counts_messages: false,
            is_active: false,
            is_due: false,
        }
    }

    /// Sets whether the pongs to keepalive pings are reported.
    pub(crate) fn set_keepalive_pongs(&mut self, are_reported: bool) {
        if !are_reported || self.cold.is_some() {
            let pong = if are_reported { KeepalivePong::Reported } else { KeepalivePong::Hidden };
            self.cold().keepalive_pong = pong;
        }
    }

    /// Notes that the transport shares a window with others.
    pub(crate) fn set_multiplexed(&mut self) {
        self.patience = Patience::Two;
    }

    pub(crate) fn io(&self) -> Option<&T> {
        self.io.get()
    }

    pub(crate) fn driver(&self) -> &Driver {
        &self.driver
    }

    pub(crate) fn driver_mut(&mut self) -> &mut Driver {
        &mut self.driver
    }

    /// Returns the transport, unless it was closed, and what was read from it and not used.
    pub(crate) fn into_parts(mut self) -> (Option<T>, BytesMut) {
        let read = mem::take(self.driver.input());
        (self.io.take(), read)
    }

    /// Waits for incoming data. Before it waits for the peer, it writes what is queued.
    #[inline]
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Next> {
        self.driver.take_back(batch);
        loop {
            if self.closing.is_some() {
                return self.poll_closing(cx);
            }
            self.driver.lend(batch);
            if batch.has_next() {
                self.on_message();
                return Poll::Ready(Next::Messages);
            }
            if let Some(event) = self.driver.poll_event() {
                match &event {
                    Event::Message(_) => self.on_message(),
                    Event::Pong(data) if !self.on_pong(data) => continue,
                    _ => {}
                }
                if !self.driver.is_closed() {
                    return Poll::Ready(Next::Event(event));
                }
                self.begin_closing(Some(event));
                continue;
            }
            if self.is_turn_over() {
                return self.give_way_reading(cx);
            }
            match self.poll_exchange(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Next::Failed(error)),
                Poll::Pending if self.poll_keepalive() => {}
                Poll::Pending => {
                    self.wait_to_receive(cx);
                    return Poll::Pending;
                }
            }
        }
    }

    /// Waits for the outcome of the handshake, before which there are no messages.
    pub(crate) fn poll_opening(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Event>>> {
        Poll::Ready(match ready!(self.poll_next(cx, &mut Batch::default())) {
            Next::Event(event) => Some(Ok(event)),
            Next::Failed(error) => Some(Err(error)),
            Next::Messages | Next::End => None,
        })
    }

    /// Writes what is queued, then reads what has arrived. It reads although the transport takes nothing, since two peers
    /// that both wait to be read would wait for ever. A failure to write does not end reading.
    #[inline(always)]
    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if (self.write.is_unflushed || self.driver.wants_write())
            && let Poll::Ready(Err(error)) = self.poll_write(cx)
        {
            let error = self.fail_writing(error);
            if self.driver.ready_state() == ReadyState::Connecting {
                // Without the rest of a handshake there is nothing to receive.
                self.end(error.kind().into());
                return Poll::Ready(Err(error));
            }
        }
        let missing = self.driver.missing();
        let input = self.driver.input();
        buffers::reserve(input, missing);
        match poll_read_buf(Pin::new(&mut self.io), cx, input) {
            Poll::Ready(Ok(0)) => self.driver.receive_eof(),
            Poll::Ready(Ok(read)) => {
                self.spend(read);
                self.is_active = true;
                if self.driver.is_rate_limited() {
                    self.driver.tick(Instant::now().into());
                }
            }
            Poll::Ready(Err(error)) => {
                self.end(error.kind().into());
                return Poll::Ready(Err(error));
            }
            Poll::Pending => {
                buffers::release_idle(input);
                self.driver.charge();
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Registers the receiver, which waits for the peer.
    #[inline]
    fn wait_to_receive(&mut self, cx: &mut Context<'_>) {
        self.begin_turn();
        if !self.receiver.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.receiver = Some(cx.waker().clone());
        }
    }

    fn wake_receiver(&mut self) {
        if let Some(receiver) = self.receiver.take() {
            receiver.wake();
        }
    }

    /// Registers with a shutdown. Returns the registration that it had.
    pub(crate) fn join(&mut self, membership: Membership) -> Option<Membership> {
        self.membership.replace(Box::new(membership)).map(|membership| *membership)
    }

    /// Drops what only an open connection needs.
    fn release_cold(&mut self) {
        let observer = self.cold.take().and_then(|cold| cold.observer);
        if observer.is_some() {
            self.cold().observer = observer;
        }
    }

    fn cold(&mut self) -> &mut ColdState {
        self.cold.get_or_insert_default()
    }
}

/// Other tasks have their turn after a bounded amount of work, whatever is ready: tokio's own budget counts system calls, and
/// one read may bring twenty thousand frames.
impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Connection<T> {
    #[inline]
    fn spend(&mut self, bytes: usize) {
        self.turn_kib = self.turn_kib.saturating_sub(u16::try_from(bytes.div_ceil(1024)).unwrap_or(u16::MAX));
    }

    #[inline]
    fn is_turn_over(&self) -> bool {
        self.turn_kib == 0 || self.driver.is_exhausted()
    }

    #[inline]
    fn begin_turn(&mut self) {
        self.turn_kib = TURN_KIB;
        self.driver.grant(TURN_FRAMES);
    }

    /// Returns whether enough was written to let others have their turn.
    #[inline]
    fn has_written_enough(&self) -> bool {
        self.turn_kib == 0
    }

    /// Ends a turn. The task is woken again once the runtime has polled its other tasks, its sockets and its timers, which
    /// `wake_by_ref` alone would not let it do.
    #[cold]
    fn give_way<R>(&mut self, cx: &mut Context<'_>) -> Poll<R> {
        self.turn_kib = TURN_KIB;
        // It is ready on the second poll only.
        let _ = pin!(yield_now()).poll(cx);
        Poll::Pending
    }

    /// As [`give_way`](Self::give_way). The replies so far do not wait for the next turn.
    #[cold]
    fn give_way_reading<R>(&mut self, cx: &mut Context<'_>) -> Poll<R> {
        if self.driver.wants_write()
            && let Poll::Ready(Err(error)) = self.poll_write(cx)
        {
            self.fail_writing(error);
        }
        self.driver.grant(TURN_FRAMES);
        self.give_way(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;
    use crate::transport::upgraded::Upgraded;

    #[test]
    fn connection_is_small_whatever_its_transport() {
        let size = size_of::<Connection<Upgraded>>() - size_of::<Upgraded>();
        // 328 with the features that the whole workspace gives the dependencies.
        assert!(size <= 336, "{size}");
        assert_eq!(size_of::<Upgraded>(), size_of::<TcpStream>());
        assert_eq!(size_of::<Transport<Upgraded>>(), size_of::<TcpStream>());
    }
}
