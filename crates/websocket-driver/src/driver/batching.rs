//! Batches of messages, and the work that a runtime does before others get their turn.

use super::{Driver, State};
use crate::error::ProtocolError;
use crate::framing::allowance::Allowance;
use crate::framing::fast::batch::Batch;

/// # For runtimes: batches and turns
impl Driver {
    /// Returns how many more bytes complete the current frame, or 0 if its length is not known yet.
    /// The length is within the limits, but it is only the peer's claim.
    #[must_use]
    pub fn missing(&self) -> usize {
        match &self.state {
            State::Open(protocol) => protocol.missing(&self.input),
            _ => 0,
        }
    }

    /// Returns whether a complete or invalid frame is buffered, so that
    /// [`poll_event`](Self::poll_event) will return something without more input. Useful to decide
    /// whether to postpone a write.
    #[inline]
    pub fn has_frame(&mut self) -> bool {
        match &mut self.state {
            // The header of an empty frame may have been consumed already.
            State::Open(protocol) if !self.input.is_empty() || protocol.has_header() => {
                let before = self.input.len();
                let has_frame = protocol.has_frame(&mut self.input, &self.settings);
                if let Some(observed) = self.extras.observed() {
                    observed.took(before - self.input.len());
                }
                has_frame
            }
            _ => false,
        }
    }

    /// Moves the input to a batch if it begins with messages on the [fast path](Batch), which can
    /// be read without the driver; otherwise does nothing. [`take_back`](Self::take_back) must be
    /// called before the driver is used for anything but sending.
    #[inline]
    pub fn lend(&mut self, batch: &mut Batch) {
        if !self.input.is_empty() {
            self.lend_input(batch);
        }
    }

    fn lend_input(&mut self, batch: &mut Batch) {
        let allowance = self.allowance.for_batch();
        if allowance > 0
            && let Some(limit) = self.fast_limit()
        {
            batch.fill(&mut self.input, limit, self.settings.max_fragments, allowance);
            if batch.is_lent() && self.extras.has_charge() {
                // The messages may be handled slowly.
                self.charge_with(self.memory() + batch.memory());
            }
        }
    }

    /// Moves the rest of the input back from a batch, if [`lend`](Self::lend) has moved any.
    #[inline]
    pub fn take_back(&mut self, batch: &mut Batch) {
        if batch.is_lent() {
            self.take_back_input(batch);
        }
    }

    fn take_back_input(&mut self, batch: &mut Batch) {
        let (left, is_invalid) = batch.empty(&mut self.input);
        self.allowance.spend_batch(left);
        if is_invalid {
            self.fail(ProtocolError::InvalidUtf8);
        }
    }

    /// Allows the driver to parse this number of frames from now on. Default: `u32::MAX`, which
    /// stands for any number.
    ///
    /// Fragments, empty frames, pings and pongs count, and so do the frames of the messages that a
    /// [`Batch`] returns. When the number is used up, [`poll_event`](Self::poll_event) returns `None` and
    /// [`lend`](Self::lend) does nothing, although whole frames may have been received; events that
    /// are due without a further frame are still returned. [`has_frame`](Self::has_frame) and
    /// [`missing`](Self::missing) are not affected.
    ///
    /// A runtime bounds its work between two turns with it: one read may hold thousands of frames.
    /// Call it while nothing is lent.
    #[inline]
    pub fn grant(&mut self, frames: u32) {
        self.allowance = Allowance::new(frames);
    }

    /// Returns whether the frames that were [granted](Self::grant) are used up, so that there may
    /// be further events without further input.
    #[inline]
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.allowance.is_exhausted()
    }
}
