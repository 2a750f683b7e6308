//! The locks of this crate.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, even if poisoned: the data that the locks of this crate protect is always consistent.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
