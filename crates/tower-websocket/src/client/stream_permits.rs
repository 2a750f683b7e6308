use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

/// The time after which a waiting task asks for the limit again, as h2 does not report when the
/// server raises it.
const RECHECK: Duration = Duration::from_millis(100);

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
            let _ = timeout(RECHECK, released).await;
        }
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
        self.0.released.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn raised_limit_is_noticed_although_no_stream_ends() {
        let (permits, limit) = (Arc::new(StreamPermits::default()), AtomicUsize::new(1));
        let most = || limit.load(Ordering::Relaxed);
        let _first = permits.acquire(most).await;
        assert!(timeout(2 * RECHECK, permits.acquire(most)).await.is_err());
        limit.store(2, Ordering::Relaxed);
        let _second = timeout(2 * RECHECK, permits.acquire(most)).await.expect("a permit");
        let mut waiting = std::pin::pin!(permits.acquire(most));
        assert!(timeout(RECHECK / 2, &mut waiting).await.is_err());
        limit.store(3, Ordering::Relaxed);
        assert!(timeout(RECHECK, waiting).await.is_ok());
    }
}
