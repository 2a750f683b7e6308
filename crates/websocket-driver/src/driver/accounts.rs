//! Accounting of the driver: its memory, the time, and its observer.

use std::time::{Duration, Instant};

use bytes::Buf;

use super::{Driver, State};
use crate::config::observer::{self, ConnectionObserver};
use crate::error::ProtocolError;
use crate::error::cause::CloseCause;
use crate::framing::Protocol;

impl Driver {
    /// Returns the memory of the connection in bytes: the driver itself, unparsed input, fragments,
    /// the state of extensions, and unwritten output. Events that were returned belong to the
    /// caller.
    #[must_use]
    pub fn memory(&self) -> usize {
        let held = match &self.state {
            State::Open(protocol) => protocol.memory(),
            State::ServerHandshake(opening) => opening.queue.memory(),
            State::ClientHandshake(connecting) => connecting.memory(),
            State::Closed => 0,
        };
        // An empty buffer may have been lent by the caller, who can take it back.
        let input = if self.input.is_empty() { 0 } else { self.input.capacity() };
        size_of::<Self>() + input + held + self.output.memory() + self.extras.memory()
    }

    /// Returns whether the configuration limits the rate of frames or control frames, so that
    /// [`tick`](Self::tick) must be called.
    #[must_use]
    pub fn is_rate_limited(&self) -> bool {
        self.settings.is_rate_limited()
    }

    /// Charges the [`Budget`](crate::Budget), if there is one, with the current memory of the
    /// connection. [`poll_event`](Self::poll_event) does so before it requests more input; call
    /// this if the buffers change after that.
    #[inline]
    pub fn charge(&mut self) {
        if self.extras.has_charge() {
            self.charge_with(self.memory());
        }
    }

    /// Sets the time for the rate limits of frames. Call this before polling the events of new
    /// input.
    pub fn tick(&mut self, now: Instant) {
        if let State::Open(protocol) = &mut self.state {
            protocol.tick(now);
        }
    }

    /// Has the extensions release memory that they did not need since the last call, and charges the
    /// [`Budget`](crate::Budget), if there is one. Call this at intervals, which determine how long a
    /// connection is idle before its memory is released: at least one interval, and at most two.
    ///
    /// permessage-deflate releases the compressor, unless `keep_idle_context` is set: the next message
    /// is compressed without the content of earlier ones (RFC 7692 §7.2.1).
    pub fn release_idle(&mut self) {
        if let State::Open(Protocol::Hybi(hybi)) = &mut self.state
            && let Some(pipeline) = hybi.pipeline()
        {
            pipeline.release_idle();
            self.charge();
        }
    }

    /// Reports the traffic to the observer, if there is one. [`poll_event`](Self::poll_event) does
    /// so before it requests more input; call this if output is written after that.
    #[inline]
    pub fn report(&mut self) {
        if let Some(observed) = self.extras.observed() {
            observed.report(self.output.written());
        }
    }

    /// Reports the round-trip time of a ping to the observer, if there is one. It is measured by
    /// the caller, as the driver has no clock.
    pub fn report_round_trip(&mut self, time: Duration) {
        if let Some(observed) = self.extras.observed() {
            observed.answered(time);
        }
    }

    /// Reports the end of the connection and its cause to the observer, if there is one. This
    /// happens when the driver is dropped, at the latest; call it if the driver outlives the
    /// transport.
    pub fn conclude(&mut self) {
        if let Some(mut observed) = self.extras.take_observed() {
            observed.report(self.output.written());
            observed.closed(self.close_cause().unwrap_or(&CloseCause::Dropped));
        }
    }

    /// Returns whether there is an observer.
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.extras.has_observed()
    }

    /// Replaces the observer of an open connection, for example by one that defers the calls until
    /// a lock is released. Does nothing without an observer.
    pub fn wrap_observer(&mut self, wrap: impl FnOnce(Box<dyn ConnectionObserver>) -> Box<dyn ConnectionObserver>) {
        if let Some(observed) = self.extras.observed() {
            observed.wrap(wrap);
        }
    }

    /// Returns whether there is nothing to [settle](Self::settle). The caller ensures that the
    /// input is empty, no message is incomplete, and there are no extensions and no observer.
    #[inline]
    pub(super) fn holds_nothing(&self) -> bool {
        !self.extras.has_charge() && !self.output.has_remaining()
    }

    /// Charges the memory of the connection, checks its limit, and reports the traffic. Called
    /// before more input is requested.
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

    pub(super) fn tell_opened(&mut self) {
        let settings = &self.settings;
        if let (Some((observed, heads)), Some(observer), Some(version)) =
            (self.extras.observed_with_heads(), &settings.observer, self.version)
        {
            let is_client = matches!(&self.state, State::Open(Protocol::Hybi(hybi)) if hybi.is_client());
            let protocol = heads.protocol.as_deref();
            observed.opened(&**observer, is_client, version, protocol);
        }
    }

    pub(super) fn tell_refused(&self, error: &ProtocolError) {
        if let Some(observer) = self.settings.observer.as_ref().filter(|_| self.is_observed()) {
            observer::refused(&**observer, error);
        }
    }
}

/// Notifies the observer of the end of the connection even if events are no longer polled.
impl Drop for Driver {
    fn drop(&mut self) {
        if self.is_observed() {
            self.conclude();
        }
    }
}
