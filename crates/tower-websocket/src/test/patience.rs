use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::time::timeout;

/// The timeout for an expected event.
const LIMIT: Duration = Duration::from_secs(10);

/// The timeout on a paused clock, where it takes no real time. It is longer, since handlers may
/// have set timers of hours, which must not fail the test.
const VIRTUAL_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// Waits for an event that is expected soon. Returns `None` if it times out.
pub(super) async fn wait_for<F: Future>(future: F) -> Option<F::Output> {
    let begun = Instant::now();
    let mut future = pin!(future);
    for limit in [LIMIT, VIRTUAL_LIMIT] {
        if let Ok(output) = timeout(limit, future.as_mut()).await {
            return Some(output);
        }
        // tokio does not report whether its clock is paused, but it can be compared with the real
        // one.
        if begun.elapsed() >= LIMIT / 2 {
            return None;
        }
    }
    None
}
