//! The state that decides whether the [background](crate::background) drives a connection. It needs
//! no runtime, so that a model checker can run it.

use std::mem;
use std::task::Waker;

/// Protected by the lock of the connection.
///
/// | `is_wanted` | `is_queued` | `waker` | |
/// |---|---|---|---|
/// | no | no | none | whoever locks the connection does all the work |
/// | yes | any | any | only while the lock is held: [`begin`](Self::begin) is called when it is released |
/// | no | yes | none | an entry is queued or was woken, and will be polled |
/// | no | yes | some | an entry waits until its waker is called |
#[derive(Debug, Default)]
pub(crate) struct Handover {
    is_wanted: bool,
    is_queued: bool,
    /// The waker of the entry while it waits. Boxed to keep connections small.
    waker: Option<Box<Waker>>,
}

impl Handover {
    /// Requests the background: a new entry, or the one that waits, is polled after this call.
    #[inline]
    pub(crate) fn want(&mut self) {
        self.is_wanted = !self.is_queued || self.waker.is_some();
    }

    /// Returns whether [`begin`](Self::begin) has something to do.
    #[inline]
    pub(crate) fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// Returns whether there is an entry.
    #[inline]
    pub(crate) fn is_queued(&self) -> bool {
        self.is_queued
    }

    /// Cancels the request. A waiting entry is polled once more, to end.
    pub(crate) fn dismiss(&mut self) {
        self.is_wanted = false;
        self.wake();
    }

    /// Wakes a waiting entry.
    pub(crate) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Called before the lock is released. Returns whether an entry must be queued now.
    pub(crate) fn begin(&mut self) -> bool {
        if !mem::take(&mut self.is_wanted) {
            return false;
        }
        self.wake();
        !mem::replace(&mut self.is_queued, true)
    }

    /// Records that the entry was polled and waits.
    pub(crate) fn wait(&mut self, waker: &Waker) {
        self.is_wanted = false;
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.waker = Some(Box::new(waker.clone()));
        }
    }

    /// Records that there is no entry, because it has completed or could not be queued.
    pub(crate) fn end(&mut self) {
        *self = Self::default();
    }

    /// Records that the entry was dropped before it was completed. Returns whether another must be
    /// queued now.
    pub(crate) fn renew(&mut self) -> bool {
        *self = Self { is_wanted: true, ..Self::default() };
        self.begin()
    }

    /// Returns the waker of a waiting entry.
    pub(crate) fn waker(&self) -> Option<&Waker> {
        self.waker.as_deref()
    }
}
