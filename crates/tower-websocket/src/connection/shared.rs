//! A connection and its lock, which [`Shared`] hides.

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::thread;

use tokio::io::{AsyncRead, AsyncWrite};
use websocket_driver::{CloseCode, TransportEnd};

use super::observer::{ObserverCell, Relay};
use super::{Connection, buffers};
use crate::background::flusher::Drive;
use crate::background::ticker::{Tick, TickTime};
use crate::background::{self, Worker};
use crate::shutdown::members::{Drain, Membership};
use crate::sync::{Mutex, MutexGuard, lock};

/// A connection shared by its socket, its senders and the background.
pub(crate) struct Shared<T>(Arc<Inner<T>>);

/// A weak reference to a connection.
pub(crate) struct WeakShared<T>(Weak<Inner<T>>);

struct Inner<T> {
    connection: Mutex<Connection<T>>,
    /// Changes the number of owners. A function pointer, so that the types that own the connection
    /// need no trait bounds on the transport.
    own: fn(&Arc<Self>, Ownership),
}

#[derive(Clone, Copy)]
enum Ownership {
    Add,
    Release { is_reader: bool },
}

/// Keeps a connection open.
pub(crate) struct Owner<T, const IS_READER: bool>(Arc<Inner<T>>);

/// A locked connection. When it is released, remaining work is handed to the background, and the
/// observer is notified.
pub(crate) struct Guard<'a, T: AsyncRead + AsyncWrite + Unpin + Send + 'static> {
    connection: MutexGuard<'a, Connection<T>>,
    // Declared after the lock, so that it is dropped after it is released.
    after: After<'a, T>,
}

/// The work to do after the lock is released.
struct After<'a, T: AsyncRead + AsyncWrite + Unpin + Send + 'static> {
    inner: &'a Arc<Inner<T>>,
    work: Option<Work>,
}

struct Work {
    /// Whether the background must drive the connection.
    is_wanted: bool,
    /// The observer, if it must be notified.
    observer: Option<Arc<ObserverCell>>,
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Owner<T, true> {
    /// Takes over a connection that has opened, and starts its timers.
    pub(crate) fn open(mut connection: Connection<T>) -> Self {
        // The next handshakes read into it, while the application may not receive for long.
        buffers::release_idle(connection.driver.input());
        let mut observer = None;
        connection.driver.wrap_observer(|wrapped| {
            let cell = observer.insert(Arc::new(ObserverCell::new(wrapped)));
            Box::new(Relay(cell.clone()))
        });
        if observer.is_some() {
            connection.cold().observer = observer;
        }
        Self(Arc::new_cyclic(|this: &Weak<Inner<T>>| {
            connection.start_timers(this.clone());
            Inner { connection: Mutex::new(connection), own: Inner::own }
        }))
    }

    /// Leaves a connection that will not open to the background, which writes its last bytes.
    pub(crate) fn abandon(connection: Connection<T>) {
        drop(Self(Arc::new(Inner { connection: Mutex::new(connection), own: Inner::own })));
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Shared<T> {
    /// Locks the connection. The lock must not be held while waiting for a peer or running code of
    /// the application.
    #[inline]
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        Inner::lock(&self.0)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> WeakShared<T> {
    pub(crate) fn upgrade(&self) -> Option<Shared<T>> {
        self.0.upgrade().map(Shared)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Inner<T> {
    #[inline]
    fn lock(self: &Arc<Self>) -> Guard<'_, T> {
        Guard { connection: lock(&self.connection), after: After { inner: self, work: None } }
    }

    fn own(self: &Arc<Self>, ownership: Ownership) {
        let mut connection = self.lock();
        match ownership {
            Ownership::Add => connection.add_owner(),
            Ownership::Release { is_reader } => connection.release_owner(is_reader),
        }
    }

    /// Has the background drive the connection. Returns whether it will.
    fn enqueue(self: &Arc<Self>) -> bool {
        let is_queued = background::enqueue(self.clone(), || self.home());
        if !is_queued {
            // Left to whoever polls next.
            lock(&self.connection).handover.end();
        }
        is_queued
    }

    /// Returns the background task of the thread that opened the connection.
    fn home(&self) -> Option<Arc<Worker>> {
        let connection = lock(&self.connection);
        let known = connection.keepalive.as_ref().map(|keepalive| keepalive.worker());
        known.or_else(|| connection.cold.as_ref().and_then(|cold| cold.home.as_ref())).cloned()
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Deref for Guard<'_, T> {
    type Target = Connection<T>;

    #[inline]
    fn deref(&self) -> &Connection<T> {
        &self.connection
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Connection<T> {
        &mut self.connection
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if cfg!(debug_assertions) && !thread::panicking() {
            self.connection.debug_assert_legal();
        }
        if self.connection.handover.is_wanted() || self.observer().is_some() {
            self.find_work();
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Guard<'_, T> {
    #[inline]
    fn observer(&self) -> Option<&Arc<ObserverCell>> {
        self.connection.cold.as_ref().and_then(|cold| cold.observer.as_ref())
    }

    /// Determines the work to do after the lock is released.
    // Baseline: socket-text-32.
    #[inline(never)]
    fn find_work(&mut self) {
        let observer = self.observer().filter(|observer| observer.has_pending()).cloned();
        let is_wanted = self.connection.handover.begin();
        if is_wanted || observer.is_some() {
            self.after.work = Some(Work { is_wanted, observer });
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Drop for After<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.run(work);
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> After<'_, T> {
    // Baseline: socket-text-32.
    #[inline(never)]
    fn run(&self, work: Work) {
        if work.is_wanted {
            self.inner.enqueue();
        }
        if let Some(observer) = work.observer {
            observer.report();
        }
    }
}

impl<T, const IS_READER: bool> Owner<T, IS_READER> {
    pub(crate) fn shared(&self) -> Shared<T> {
        Shared(self.0.clone())
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static, const IS_READER: bool> Owner<T, IS_READER> {
    /// Same as [`Shared::lock`].
    #[inline]
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        Inner::lock(&self.0)
    }

    /// Adds an owner that sends.
    pub(crate) fn add_sender(&self) -> Owner<T, false> {
        (self.0.own)(&self.0, Ownership::Add);
        Owner(self.0.clone())
    }

    pub(crate) fn downgrade(&self) -> WeakShared<T> {
        WeakShared(Arc::downgrade(&self.0))
    }

    /// Registers the connection with a shutdown. If the shutdown has already started, the
    /// connection is closed.
    pub(crate) fn join(&self, membership: Membership) {
        membership.set_connection(self.0.clone());
        // The previous registration must be dropped without the lock.
        let before = self.lock().join(membership);
        drop(before);
    }
}

impl<T> Clone for Owner<T, false> {
    fn clone(&self) -> Self {
        (self.0.own)(&self.0, Ownership::Add);
        Self(self.0.clone())
    }
}

impl<T, const IS_READER: bool> Drop for Owner<T, IS_READER> {
    fn drop(&mut self) {
        (self.0.own)(&self.0, Ownership::Release { is_reader: IS_READER });
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Drive for Inner<T> {
    fn poll_drive(self: Arc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.lock().poll_drive(cx)
    }

    fn release(self: Arc<Self>) {
        let mut connection = lock(&self.connection);
        connection.reset_timer();
        let is_wanted = connection.handover.renew();
        drop(connection);
        if is_wanted && !self.enqueue() {
            // Waiting tasks may belong to another runtime, and request its background when they are
            // polled.
            let mut connection = self.lock();
            connection.wake_senders();
            connection.wake_receiver();
        }
    }

    fn fail(self: Arc<Self>) {
        let mut connection = self.lock();
        connection.end(TransportEnd::Failed(io::ErrorKind::Other));
        connection.wake_receiver();
        connection.handover.end();
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Tick for Inner<T> {
    fn tick(self: Arc<Self>, tick: TickTime) {
        self.lock().tick(tick);
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Drain for Inner<T> {
    fn close(self: Arc<Self>, code: CloseCode, reason: &str) {
        // The code is known to be valid. The call only fails if the socket is closing already.
        let _ = self.lock().start_close(code, reason);
    }

    fn cut(self: Arc<Self>) {
        self.lock().cut();
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Clone for WeakShared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
