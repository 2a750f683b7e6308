use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Limits the open streams of an HTTP/2 connection. h2 itself accepts any number of requests, and
/// sends excess ones later, even if they were cancelled.
#[derive(Debug, Default)]
pub(super) struct StreamPermits {
    taken: AtomicUsize,
    released: Notify,
}

/// Permission to open a stream and to keep it open.
#[derive(Debug)]
pub(super) struct StreamPermit(Arc<StreamPermits>);

impl StreamPermits {
    /// Waits until fewer streams are open than the server accepts (RFC 9113 §5.1.2).
    pub(super) async fn acquire(self: &Arc<Self>, most: impl Fn() -> usize) -> StreamPermit {
        loop {
            let released = self.released.notified();
            let one_more = |taken| (taken < most()).then_some(taken + 1);
            if self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok() {
                return StreamPermit(self.clone());
            }
            released.await;
        }
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
        self.0.released.notify_one();
    }
}
