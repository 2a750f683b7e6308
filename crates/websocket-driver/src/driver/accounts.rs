//! What the driver keeps account of: the memory it holds, the time it is told, and what its observer is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use bytes::Buf;

use super::{Driver, State};
use crate::config::observer::ConnectionObserver;
use crate::error::ProtocolError;
use crate::error::cause::CloseCause;
use crate::framing::Protocol;

impl Driver {
    /// How many bytes the connection holds: itself, what came and was not taken yet, fragments, what the extensions keep, and
    /// what waits to be written. What was handed out in events is the caller's.
    #[must_use]
    pub fn memory(&self) -> usize {
        let held = match &self.state {
            State::Open(protocol) => protocol.memory(),
            State::ServerHandshake(opening) => opening.queue.memory(),
            State::ClientHandshake(connecting) => connecting.memory(),
            State::Closed => 0,
        };
        // An empty buffer is lent by somebody, and may be taken away.
        let input = if self.input.is_empty() { 0 } else { self.input.capacity() };
        size_of::<Self>() + input + held + self.output.memory() + self.extras.memory()
    }

    /// Returns whether the configuration limits the frames or control frames a second, so that the driver
    /// must be [told the time](Self::tick).
    #[must_use]
    pub fn is_rate_limited(&self) -> bool {
        self.settings.is_rate_limited()
    }

    /// Charges the [`Budget`](crate::Budget), if there is one, with what the connection holds now.
    /// [`poll_event`](Self::poll_event) does so before it asks for more input; this is for who changes the buffers after that.
    #[inline]
    pub fn charge(&mut self) {
        if self.extras.has_charge() {
            self.charge_with(self.memory());
        }
    }

    /// Tells the time, by which the limits on frames a second go: before events are polled of what has come.
    pub fn tick(&mut self, now: Instant) {
        if let State::Open(protocol) = &mut self.state {
            protocol.tick(now);
        }
    }

    /// Tells the observer, if there is one, what has passed. [`poll_event`](Self::poll_event) does so before it asks for more
    /// input; this is for who has written something since.
    #[inline]
    pub fn report(&mut self) {
        if let Some(observed) = self.extras.observed() {
            observed.report(self.output.written());
        }
    }

    /// Tells the observer, if there is one, how long a ping took to be answered, which who has the clock knows.
    pub fn report_round_trip(&mut self, time: Duration) {
        if let Some(observed) = self.extras.observed() {
            observed.answered(time);
        }
    }

    /// Tells the observer, if there is one, that the connection has ended, and why. It is told when the driver is dropped, at
    /// the latest; this is for who keeps it though the transport is gone.
    pub fn conclude(&mut self) {
        if let Some(mut observed) = self.extras.take_observed() {
            observed.report(self.output.written());
            observed.closed(self.close_cause().unwrap_or(&CloseCause::Dropped));
        }
    }

    /// Whether there is an observer.
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.extras.has_observed()
    }

    /// Replaces the observer of an open connection, by one that calls it elsewhere for instance. Does nothing if there is none.
    pub fn wrap_observer(&mut self, wrap: impl FnOnce(Box<dyn ConnectionObserver>) -> Box<dyn ConnectionObserver>) {
        if let Some(observed) = self.extras.observed() {
            observed.wrap(wrap);
        }
    }

    /// Whether there is nothing to [settle](Self::settle): an empty input, no message that is under way, no extension and no
    /// observer are for the caller to know.
    #[inline]
    pub(super) fn holds_nothing(&self) -> bool {
        !self.extras.has_charge() && !self.output.has_remaining()
    }

    /// Before more input is asked for: what the connection holds is charged, held against the limit, and told.
    pub(super) fn settle(&mut self) -> Result<(), ProtocolError> {
        let size = self.memory();
        self.charge_with(size);
        self.report();
        let limit = self.settings.max_memory;
        if size > limit { Err(ProtocolError::TooMuchMemory { size: size as u64, limit }) } else { Ok(()) }
    }

    pub(super) fn charge_with(&mut self, size: usize) {
        if let Some(charge) = self.extras.charge() {
            charge.set(size);
        }
    }

    pub(super) fn set_path(&mut self, path: &str) {
        if let Some(observed) = self.extras.observed() {
            observed.set_path(path);
        }
    }

    #[inline]
    pub(super) fn count_sent(&mut self, messages: u64, bytes: usize) {
        if let Some(observed) = self.extras.observed() {
            observed.sent(messages, bytes);
        }
    }

    #[cold]
    pub(super) fn tell_opened(&mut self) {
        let settings = &self.settings;
        if let (Some(observed), Some(observer), Some(version)) =
            (self.extras.observed(), &settings.observer, self.version)
        {
            let is_client = matches!(&self.state, State::Open(Protocol::Hybi(hybi)) if hybi.is_client());
            let protocol = self.heads.as_ref().and_then(|heads| heads.protocol.as_deref());
            observed.opened(&**observer, is_client, version, protocol);
        }
    }

    pub(super) fn tell_refused(&self, error: &ProtocolError) {
        if let Some(observer) = self.settings.observer.as_ref().filter(|_| self.is_observed()) {
            observer.refused(error);
        }
    }
}

/// The observer is told of every end, also if nobody polls for it.
impl Drop for Driver {
    fn drop(&mut self) {
        if self.is_observed() {
            // A panic of the observer would abort the process if another one is unwinding.
            let _ = catch_unwind(AssertUnwindSafe(|| self.conclude()));
        }
    }
}
