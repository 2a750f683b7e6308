//! Deadlines from durations of any length.

use std::future::{Future, pending};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

/// A deadline. One that the clock cannot represent never passes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(Option<Instant>);

/// The deadline has passed.
#[derive(Debug)]
pub(super) struct Passed;

impl Deadline {
    /// Returns the deadline after the given delay.
    pub(super) fn after(delay: Duration) -> Self {
        Self(Instant::now().checked_add(delay))
    }

    /// Waits until the deadline.
    pub(super) async fn sleep(self) {
        match self.0 {
            Some(instant) => sleep_until(instant).await,
            None => pending().await,
        }
    }

    /// Waits for a future, at most until the deadline.
    pub(super) async fn limit<F: Future>(self, future: F) -> Result<F::Output, Passed> {
        match self.0 {
            Some(instant) => timeout_at(instant, future).await.map_err(|_| Passed),
            None => Ok(future.await),
        }
    }
}
