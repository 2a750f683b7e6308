//! The locks of this crate. The modules that a model checker runs name them by this path, so that it can replace them.

use std::sync::PoisonError;
pub(crate) use std::sync::atomic::AtomicBool;
pub(crate) use std::sync::{Mutex, MutexGuard};

/// Locks, also after a panic: what the locks of this crate protect is consistent at any time.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
