//! Runs every test on its own runtime, with a time limit.

use std::pin::Pin;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// A test that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(30);

/// Runs a test. Everything that it spawns ends with it.
pub(crate) fn run(test: impl AsyncFnOnce() + Send + 'static) {
    on_thread(Box::new(|| Box::pin(test())), false);
}

/// Runs a test with a paused clock, which advances to the next timer when all tasks wait.
pub(crate) fn run_paused(test: impl AsyncFnOnce() + Send + 'static) {
    on_thread(Box::new(|| Box::pin(test())), true);
}

/// Boxed, since compiling a thread and a runtime for each test would take most of the compile time.
type Test = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send>;

// On another thread, so that a test that loops without waiting also fails in time.
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
