use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::time::timeout;

/// How long is waited for what does not come.
const LIMIT: Duration = Duration::from_secs(10);

/// The same by a clock that is paused, which is through with it at once. It is longer, as handlers may have set timers for
/// hours, and those are no reason to fail.
const VIRTUAL_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// Waits for what should come soon. `None` where it does not.
pub(super) async fn wait_for<F: Future>(future: F) -> Option<F::Output> {
    let begun = Instant::now();
    let mut future = pin!(future);
    for limit in [LIMIT, VIRTUAL_LIMIT] {
        if let Ok(output) = timeout(limit, future.as_mut()).await {
            return Some(output);
        }
        // Nobody tells whether tokio's clock is paused, but that it runs with the real one can be seen.
        if begun.elapsed() >= LIMIT / 2 {
            return None;
        }
    }
    None
}
