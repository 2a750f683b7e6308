use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The streams of an HTTP/2 connection that are open. h2 takes any number of requests, and sends those that are too many
/// later, even if nobody waits for them any more.
#[derive(Debug, Default)]
pub(super) struct StreamPermits {
    taken: AtomicUsize,
    given_back: Notify,
}

/// Leave to open a stream, and to keep it open.
#[derive(Debug)]
pub(super) struct StreamPermit(Arc<StreamPermits>);

impl StreamPermits {
    /// Waits until fewer than the server takes are open (RFC 9113 §5.1.2).
    pub(super) async fn take(self: &Arc<Self>, most: impl Fn() -> usize) -> StreamPermit {
        loop {
            let given_back = self.given_back.notified();
            let one_more = |taken| (taken < most()).then_some(taken + 1);
            if self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok() {
                return StreamPermit(self.clone());
            }
            given_back.await;
        }
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
        self.0.given_back.notify_one();
    }
}
