//! A connection: the loop between its transport and its driver, which polls events, writes, reads,
//! and repeats.
//!
//! [`shared`] locks it and hands it to the [background](crate::background). No lock is held while
//! code of the application runs: handlers and observers are called without the connection.

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
use self::keepalive::{Keepalive, Liveness};
use self::observer::ObserverCell;
use self::pings::Pings;
pub(crate) use self::sending::{FlushPlan, WakerSlot};
use self::transport::Transport;
use self::writing::WriteSide;
use crate::background::Worker;
use crate::held::Held;
use crate::shutdown::members::Membership;

/// The number of frames handled before yielding to other tasks: about 100 µs of echoing short
/// messages.
const TURN_FRAMES: u32 = 1024;

/// The kibibytes read and written before yielding to other tasks: less than a millisecond of
/// copying. Measured: with a quarter of it, messages of 1 MiB have left the cache when they are
/// written, and cost a quarter more.
const TURN_KIB: u16 = 4096;

/// The states of a connection. In debug builds they are checked whenever the lock is released.
///
/// | state | `closing` | `io` | `keepalive` | `write.failed` | `handover` |
/// |---|---|---|---|---|---|
/// | handshake, not shared | none | open | none | no | ignored |
/// | open | none | open | if there are timeouts | no | any |
/// | closing | `Handshake` | open | any | any | has an entry, which enforces the deadline |
/// | all is written | `ShutDown` | open | any | any | has an entry |
/// | lingering | `Lingering` | open | any | no | has an entry, which reads |
/// | ended | `Done` | none | any | any | none, or an entry that ends |
///
/// Without a runtime, there is no entry, and whoever polls the connection does the work. Regardless
/// of the state:
///
/// | fields | combinations |
/// |---|---|
/// | `owners`, `is_unread` | any, but 0 owners only if unread: the [`WebSocket`](crate::WebSocket) is one of them |
/// | the other fields of `write` | see [`WriteSide`] |
/// | `liveness` | see [`Liveness`] |
/// | `patience` | `One` or `Two` when it opens, `Last` after the first of two timeouts, until data arrives |
/// | `cold.keepalive_pong` | `Reported`; or `Hidden`, and `Due` between a keepalive ping and its pong |
/// | `cold.awaits_message` | only while `closing` is none |
/// | `receiver`, `cold.sender` | any; a task is woken when its waker is taken |
///
/// The fields that a send uses come first, so that a broadcast reads fewer cache lines of each
/// connection: 14 instead of 17, including those of the transport, as counted by callgrind.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Connection<T> {
    write: WriteSide,
    /// The number of handles that keep the connection open: a [`WebSocket`](crate::WebSocket) and
    /// the senders of its split.
    owners: u32,
    /// The kibibytes that may still be read and written before yielding to other tasks.
    turn_kib: u16,
    /// Whether the [`WebSocket`](crate::WebSocket) was dropped, so that nothing is received any
    /// more.
    is_unread: bool,
    /// The number of pong timeouts until the connection is dropped.
    patience: Patience,
    liveness: Liveness,
    handover: Handover,
    /// Boxed to keep connections small, since few need it.
    cold: Option<Box<ColdState>>,
    /// Boxed as well, since it does not last long.
    closing: Option<Box<Closing>>,
    io: Transport<T>,
    driver: Driver,
    /// The waker of the receiving task, while it waits.
    receiver: Option<Waker>,
    /// The registration with a [`Shutdown`](crate::Shutdown), held until the last bytes are
    /// written.
    membership: Option<Box<Membership>>,
    /// The timers of an open connection, if the configuration has any.
    keepalive: Option<Keepalive>,
}

#[derive(Debug, Default)]
struct ColdState {
    /// The waker of the task that sends through the [`WebSocket`](crate::WebSocket) itself, while
    /// it waits.
    sender: Option<Waker>,
    /// Notified when the transport has accepted output that senders wait for.
    progress: Arc<Notify>,
    /// The pings whose pongs are expected.
    pings: Pings,
    /// The number of unsent bytes in the kernel's buffer when the peer was last found to be silent.
    unsent: Option<u32>,
    /// The background task of the thread that opened the connection, if there are no timers to
    /// refer to it.
    home: Option<Arc<Worker>>,
    observer: Option<Arc<ObserverCell>>,
    held: Held,
    keepalive_pong: KeepalivePong,
    /// Whether a sender waits for the end of a message that is sent in fragments.
    awaits_message: bool,
}

/// The number of pong timeouts until a connection is dropped. Two if its transport shares a flow
/// control window with others, as on HTTP/2: sockets whose peers do not read can use up that window
/// until they time out, and the pongs of others are blocked meanwhile. Two also if a ping may be
/// queued behind megabytes in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    One,
    Two,
    /// One of two timeouts has passed.
    Last,
}

/// How the pong to a keepalive ping is handled.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum KeepalivePong {
    #[default]
    Reported,
    /// It is not reported to the application. None is expected now.
    Hidden,
    /// The next pong to a keepalive ping is not reported.
    Due,
}

/// The result of polling a connection for the receiving task.
pub(crate) enum Next {
    /// There are messages in the batch.
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
            liveness: Liveness::default(),
        }
    }

    /// Sets whether pongs to keepalive pings are reported.
    pub(crate) fn set_keepalive_pongs(&mut self, are_reported: bool) {
        if !are_reported || self.cold.is_some() {
            let pong = if are_reported { KeepalivePong::Reported } else { KeepalivePong::Hidden };
            self.cold().keepalive_pong = pong;
        }
    }

    /// Records that the transport shares a flow control window with others.
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

    /// Returns the transport, unless it was closed, and the unused input.
    pub(crate) fn into_parts(mut self) -> (Option<T>, BytesMut) {
        let read = mem::take(self.driver.input());
        (self.io.take(), read)
    }

    /// Waits for incoming data. Writes queued output before waiting.
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
                    Event::Message(_) | Event::Chunk(_) => self.on_message(),
                    Event::Pong(data) if !self.on_pong(data) => continue,
                    _ => {}
                }
                if !self.driver.is_closed() {
                    return Poll::Ready(Next::Event(event));
                }
                self.begin_closing(Some(event));
                continue;
            }
            if self.is_turn_used_up() {
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

    /// Waits for the outcome of the handshake. There are no messages before it.
    pub(crate) fn poll_opening(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Event>>> {
        Poll::Ready(match ready!(self.poll_next(cx, &mut Batch::default())) {
            Next::Event(event) => Some(Ok(event)),
            Next::Failed(error) => Some(Err(error)),
            Next::Messages | Next::End => None,
        })
    }

    /// Writes queued output, then reads what has arrived. It reads even if the transport accepts
    /// nothing, since two peers that only write would block each other forever. A write error does
    /// not end reading.
    #[inline]
    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if (self.write.is_unflushed || self.driver.wants_write())
            && let Poll::Ready(Err(error)) = self.poll_write(cx)
        {
            let error = self.fail_writing(error);
            if self.driver.ready_state() == ReadyState::Connecting {
                // The handshake cannot complete, so there is nothing to receive.
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
                self.liveness.is_active = true;
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

    /// Registers the receiving task, which waits for the peer.
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

    /// Registers with a shutdown. Returns the previous registration.
    pub(crate) fn join(&mut self, membership: Membership) -> Option<Membership> {
        self.membership.replace(Box::new(membership)).map(|membership| *membership)
    }

    /// Keeps guards of the application until the connection is dropped.
    pub(crate) fn hold(&mut self, held: Held) {
        if !held.is_empty() {
            self.cold().held.append(held);
        }
    }

    /// Drops state that only an open connection needs.
    fn release_cold(&mut self) {
        let Some(cold) = self.cold.take() else { return };
        let ColdState { observer, held, .. } = *cold;
        if observer.is_some() || !held.is_empty() {
            self.cold = Some(Box::new(ColdState { observer, held, ..ColdState::default() }));
        }
    }

    fn cold(&mut self) -> &mut ColdState {
        self.cold.get_or_insert_default()
    }
}

/// Yields to other tasks after a bounded amount of work, even if more is ready. Tokio's own budget
/// counts system calls, and one read may contain twenty thousand frames.
impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Connection<T> {
    #[inline]
    fn spend(&mut self, bytes: usize) {
        self.turn_kib = self.turn_kib.saturating_sub(u16::try_from(bytes.div_ceil(1024)).unwrap_or(u16::MAX));
    }

    #[inline]
    fn is_turn_used_up(&self) -> bool {
        self.turn_kib == 0 || self.driver.is_exhausted()
    }

    #[inline]
    fn begin_turn(&mut self) {
        self.turn_kib = TURN_KIB;
        self.driver.grant(TURN_FRAMES);
    }

    /// Returns whether enough was written to yield to other tasks.
    #[inline]
    fn has_written_enough(&self) -> bool {
        self.turn_kib == 0
    }

    /// Yields. The task is woken once the runtime has polled its other tasks, sockets and timers,
    /// which `wake_by_ref` alone would not do.
    fn give_way<R>(&mut self, cx: &mut Context<'_>) -> Poll<R> {
        self.turn_kib = TURN_KIB;
        // Ready only on the second poll.
        let _ = pin!(yield_now()).poll(cx);
        Poll::Pending
    }

    /// Like [`give_way`](Self::give_way), but first writes the replies so far.
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
        // 296 with the features that the workspace enables in dependencies.
        assert!(size <= 304, "{size}");
        assert_eq!(size_of::<Upgraded>(), size_of::<TcpStream>());
        assert_eq!(size_of::<Transport<Upgraded>>(), size_of::<TcpStream>());
    }
}
