//! Futures that are dropped after a number of polls.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// More polls than any future of the tests needs.
pub const FOREVER: usize = 1_000_000;

/// Polls a future at most `times` times, and drops it.
pub fn polled<F: Future>(times: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let cx = &mut Context::from_waker(Waker::noop());
    (0..times).find_map(|_| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    })
}

/// Evaluates the expression for a future and polls it at most `times` times, repeatedly, until one
/// of the futures completes. Returns its output.
#[macro_export]
macro_rules! insist {
    ($times:expr, $future:expr) => {
        (0..$crate::cancel::FOREVER).find_map(|_| $crate::cancel::polled($times, $future)).expect("an end")
    };
}
