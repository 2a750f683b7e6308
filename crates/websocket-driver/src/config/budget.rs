use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A limit on the memory that all connections of a server hold together, as counted by
/// [`Driver::memory`](crate::Driver::memory). Pass it to [`Config::budget`](crate::Config::budget).
/// Clones share the same budget.
///
/// Once it is used up, handshakes are refused with 503 and `Retry-After`. Open connections continue
/// within their own limits.
///
/// ```
/// use websocket_driver::{Budget, Config};
///
/// let budget = Budget::new(512 * 1024 * 1024);
/// let config = Config::server().budget(&budget);
/// assert_eq!(budget.used(), 0);
/// ```
#[derive(Clone)]
#[must_use]
pub struct Budget(Arc<Inner>);

struct Inner {
    max: usize,
    used: AtomicUsize,
    retry_after: Duration,
}

impl Budget {
    /// Creates a budget of `bytes` for all connections that share it. Refused clients are asked to
    /// wait 10 s.
    pub fn new(bytes: usize) -> Self {
        Self::with_retry_after(bytes, Duration::from_secs(10))
    }

    /// Creates a budget of `bytes`, and sets how long refused clients are asked to wait by
    /// `Retry-After`, in whole seconds.
    pub fn with_retry_after(bytes: usize, retry_after: Duration) -> Self {
        Self(Arc::new(Inner { max: bytes, used: AtomicUsize::new(0), retry_after }))
    }

    /// Returns the number of bytes that the connections hold.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Returns the number of bytes that the connections may hold.
    #[must_use]
    pub fn max(&self) -> usize {
        self.0.max
    }

    /// Returns whether the budget is used up, so that handshakes are refused.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.used() >= self.0.max
    }

    pub(crate) fn retry_after_seconds(&self) -> u64 {
        self.0.retry_after.as_secs()
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("used", &self.used()).field("max", &self.max()).finish()
    }
}

/// A part of a [`Budget`], returned to it on drop. Connections charge their own memory; use this
/// for memory that is held on their behalf elsewhere, such as messages queued for a slow peer.
///
/// ```
/// use websocket_driver::{Budget, Charge};
///
/// let budget = Budget::new(1024);
/// let mut charge = Charge::new(&budget);
/// charge.set(100);
/// assert_eq!(budget.used(), 100);
/// drop(charge);
/// assert_eq!(budget.used(), 0);
/// ```
#[derive(Debug)]
pub struct Charge {
    budget: Budget,
    bytes: usize,
}

impl Charge {
    /// Creates a charge of 0 bytes.
    #[must_use]
    pub fn new(budget: &Budget) -> Self {
        Self { budget: budget.clone(), bytes: 0 }
    }

    /// Sets the number of bytes held now. An exceeded budget refuses handshakes, not charges.
    pub fn set(&mut self, bytes: usize) {
        // Skip the shared atomic if nothing has changed.
        let used = &self.budget.0.used;
        if bytes > self.bytes {
            used.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else if bytes < self.bytes {
            used.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}
