//! Whether a connection is driven by the [background](crate::background), or is to be. It needs no runtime, so that a model
//! checker can run it.

use std::mem;
use std::task::Waker;

/// Protected by the lock of the connection.
///
/// | `is_wanted` | `is_queued` | `waker` | |
/// |---|---|---|---|
/// | no | no | none | whoever holds the connection does all that there is to do |
/// | yes | any | any | only while the lock is held: [`begin`](Self::begin) follows when it is released |
/// | no | yes | none | an entry is queued, or was woken, and will be polled |
/// | no | yes | some | an entry waits until its waker is called |
#[derive(Debug, Default)]
pub(crate) struct Handover {
    is_wanted: bool,
    is_queued: bool,
    /// Of the entry, while it waits. Boxed, since every connection has room for it.
    waker: Option<Box<Waker>>,
}

impl Handover {
    /// Asks for the background: an entry is polled after this, a new one or the one that waits.
    #[inline]
    pub(crate) fn want(&mut self) {
        self.is_wanted = true;
    }

    /// Returns whether there is an entry.
    #[inline]
    pub(crate) fn is_queued(&self) -> bool {
        self.is_queued
    }

    /// There is nothing left to drive: an entry is polled once more, to end.
    pub(crate) fn dismiss(&mut self) {
        self.is_wanted = false;
        self.wake();
    }

    /// An entry that waits is polled once more.
    pub(crate) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Called when the lock is about to be released. Returns whether an entry must be queued now.
    #[inline]
    pub(crate) fn begin(&mut self) -> bool {
        if !mem::take(&mut self.is_wanted) {
            return false;
        }
        self.wake();
        !mem::replace(&mut self.is_queued, true)
    }

    /// The entry was polled, and waits.
    pub(crate) fn wait(&mut self, waker: &Waker) {
        self.is_wanted = false;
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.waker = Some(Box::new(waker.clone()));
        }
    }

    /// There is no entry: it is done, or could not be queued.
    pub(crate) fn end(&mut self) {
        *self = Self::default();
    }

    /// The entry was dropped before it was done. Returns whether another must be queued now.
    pub(crate) fn renew(&mut self) -> bool {
        *self = Self { is_wanted: true, ..Self::default() };
        self.begin()
    }

    /// Returns the waker of the entry, if it waits.
    pub(crate) fn waker(&self) -> Option<&Waker> {
        self.waker.as_deref()
    }
}
