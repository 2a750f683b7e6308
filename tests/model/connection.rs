//! A connection, modelled after `connection/shared.rs` and `connection/writing.rs`.

use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::background::Worker;
use crate::handover::Handover;
use crate::sync::{Mutex, MutexGuard, lock};
use crate::transport::{Timer, Transport};

/// A planted fault, to check that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// A waiting entry does not leave its waker with the connection.
    NoWait,
    /// A wake-up during a poll is lost.
    BeginPollLate,
    /// A task that is cancelled later may be the last one registered with the transport.
    EntryIsNotLast,
    SendersAreNotWoken,
    /// An entry is not woken when another task has written instead.
    EntryIsForgotten,
    /// A runtime that ends drops its entries.
    ReleaseWithoutRenewal,
    /// Tasks in other runtimes are not notified that the connection is not driven any more.
    ReleaseWithoutWaking,
    /// An entry that waits for the transport is not notified of the deadline.
    CloseWithoutWaking,
}

/// A connection and its lock.
pub(crate) struct Shared {
    connection: Mutex<Connection>,
    pub(crate) transport: Arc<Transport>,
    pub(crate) timer: Arc<Timer>,
    home: Option<Arc<Worker>>,
    pub(crate) fault: Fault,
}

pub(crate) struct Connection {
    transport: Arc<Transport>,
    timer: Arc<Timer>,
    fault: Fault,
    handover: Handover,
    /// The number of active entries of the background.
    entries: usize,
    is_blocked: bool,
    is_closing: bool,
    is_over: bool,
    pub(crate) accepted: usize,
    pub(crate) written: usize,
    senders: Vec<Waker>,
    receiver: Option<Waker>,
}

impl Shared {
    pub(crate) fn new(transport: Transport, home: Option<Arc<Worker>>, fault: Fault) -> Arc<Self> {
        let (transport, timer) = (Arc::new(transport), Arc::<Timer>::default());
        let connection = Connection {
            transport: transport.clone(),
            timer: timer.clone(),
            fault,
            handover: Handover::default(),
            entries: 0,
            is_blocked: false,
            is_closing: false,
            is_over: false,
            accepted: 0,
            written: 0,
            senders: Vec::new(),
            receiver: None,
        };
        Arc::new(Self { connection: Mutex::new(connection), transport, timer, home, fault })
    }

    /// Locks the connection for a task whose background is `worker`.
    pub(crate) fn lock<'a>(self: &'a Arc<Self>, worker: &'a Arc<Worker>) -> Guard<'a> {
        let after = After { shared: self, worker, is_wanted: false };
        Guard { connection: lock(&self.connection), after }
    }

    fn enqueue(self: &Arc<Self>, worker: &Arc<Worker>) -> bool {
        let pushed = worker.queue.push(self.clone());
        let is_queued =
            pushed.or_else(|this| self.home.as_ref().map_or(Err(()), |home| home.queue.push(this).map_err(drop)));
        if is_queued.is_err() {
            lock(&self.connection).end_entry();
        }
        is_queued.is_ok()
    }

    /// Called if the background ends before the entry.
    pub(crate) fn release(self: &Arc<Self>, worker: &Arc<Worker>) {
        let mut connection = lock(&self.connection);
        if self.fault == Fault::ReleaseWithoutRenewal {
            return connection.end_entry();
        }
        connection.entries -= 1;
        let is_wanted = connection.handover.renew();
        connection.entries += usize::from(is_wanted);
        drop(connection);
        if is_wanted && !self.enqueue(worker) && self.fault != Fault::ReleaseWithoutWaking {
            let mut connection = lock(&self.connection);
            connection.wake_senders();
            connection.wake_receiver();
        }
    }
}

impl Connection {
    /// Accepts a message. Returns the position after it.
    pub(crate) fn accept(&mut self) -> usize {
        self.accepted += 1;
        self.accepted
    }

    /// Accepts a message that the background writes.
    pub(crate) fn try_send(&mut self) {
        self.accept();
        if !self.is_blocked || !self.handover.is_queued() {
            self.handover.want();
        }
    }

    pub(crate) fn poll_written(&mut self, cx: &mut Context<'_>, position: usize) -> Poll<bool> {
        if self.is_over {
            return Poll::Ready(false);
        }
        if self.poll_write(cx).is_ready() || self.written >= position {
            return Poll::Ready(true);
        }
        self.senders.push(cx.waker().clone());
        Poll::Pending
    }

    /// Like the receiver: writes, then waits for the peer, which sends nothing here. Ready when the
    /// connection has ended.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_over {
            return Poll::Ready(());
        }
        if self.has_output() {
            let _ = self.poll_write(cx);
        }
        self.receiver = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(crate) fn start_close(&mut self) {
        self.is_closing = true;
        if self.fault != Fault::CloseWithoutWaking || !self.handover.is_queued() {
            self.handover.want();
        }
        self.wake_receiver();
    }

    fn has_output(&self) -> bool {
        self.written < self.accepted
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_blocked && self.poll_write_to(cx).is_ready() {
            return Poll::Ready(());
        }
        let before = self.written;
        let was_blocked = mem::replace(&mut self.is_blocked, true);
        let written = if was_blocked {
            let background = self.handover.waker().filter(|_| self.fault != Fault::EntryIsNotLast).cloned();
            self.poll_write_to(&mut Context::from_waker(background.as_ref().unwrap_or_else(|| cx.waker())))
        } else {
            Poll::Pending
        };
        if written.is_ready() {
            self.is_blocked = false;
            self.wake_entry();
            self.wake_senders();
            return Poll::Ready(());
        }
        if self.written > before {
            self.wake_senders();
        }
        if !was_blocked || !self.handover.is_queued() {
            self.handover.want();
        }
        Poll::Pending
    }

    fn poll_write_to(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.has_output() {
            match self.transport.poll_write(cx, self.accepted - self.written) {
                Poll::Ready(written) => self.written += written,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    pub(crate) fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let driven = self.poll_drive_once(cx);
        if driven.is_ready() {
            self.end_entry();
        } else {
            self.wait(cx);
        }
        driven
    }

    fn poll_drive_once(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_over {
            return Poll::Ready(());
        }
        if self.is_closing && self.timer.poll(cx).is_ready() {
            self.end();
            return Poll::Ready(());
        }
        if self.has_output() {
            if self.is_blocked {
                self.wait(cx);
            }
            if self.poll_write(cx).is_pending() {
                return Poll::Pending;
            }
        }
        if self.is_closing { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Ends the connection, including unwritten output.
    pub(crate) fn end(&mut self) {
        self.is_over = true;
        self.wake_senders();
        self.wake_receiver();
        self.handover.dismiss();
    }

    fn wait(&mut self, cx: &Context<'_>) {
        if self.fault != Fault::NoWait {
            self.handover.wait(cx.waker());
        }
    }

    fn end_entry(&mut self) {
        self.entries -= 1;
        self.handover.end();
    }

    fn wake_entry(&mut self) {
        if self.fault != Fault::EntryIsForgotten {
            self.handover.wake();
        }
    }

    fn wake_senders(&mut self) {
        if self.fault != Fault::SendersAreNotWoken {
            self.senders.drain(..).for_each(Waker::wake);
        }
    }

    fn wake_receiver(&mut self) {
        if let Some(receiver) = self.receiver.take() {
            receiver.wake();
        }
    }
}

/// A locked connection.
pub(crate) struct Guard<'a> {
    connection: MutexGuard<'a, Connection>,
    after: After<'a>,
}

struct After<'a> {
    shared: &'a Arc<Shared>,
    worker: &'a Arc<Worker>,
    is_wanted: bool,
}

impl Deref for Guard<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if self.connection.handover.begin() {
            self.connection.entries += 1;
            assert!(self.connection.entries == 1 || std::thread::panicking(), "the connection is queued twice");
            self.after.is_wanted = true;
        }
    }
}

impl Drop for After<'_> {
    fn drop(&mut self) {
        if self.is_wanted {
            self.shared.enqueue(self.worker);
        }
    }
}
