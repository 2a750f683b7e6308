//! Every test on a runtime of its own, and none for ever.

use std::pin::Pin;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// A test that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(30);

/// Runs a test. All that it spawns ends with it.
pub(crate) fn run(test: impl AsyncFnOnce() + Send + 'static) {
    on_thread(Box::new(|| Box::pin(test())), false);
}

/// Runs a test whose clock stands still, and jumps to the next timer when all else waits.
pub(crate) fn run_paused(test: impl AsyncFnOnce() + Send + 'static) {
    on_thread(Box::new(|| Box::pin(test())), true);
}

/// Boxed, since a thread and a runtime compiled for each test are most of what compiling them takes.
type Test = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send>;

// On another thread, so that a test fails in time even where it loops without waiting.
fn on_thread(test: Test, paused: bool) {
    let (done, is_done) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        let _done = done;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(paused).build();
        runtime.expect("a runtime").block_on(test());
    });
    // Nothing is ever sent; the sender is dropped at the end.
    if is_done.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("the test hangs");
    }
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
