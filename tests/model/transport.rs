//! The transport of the model, and a timer.

use std::task::{Context, Poll, Waker};

use crate::sync::{Mutex, lock};

/// Accepts as many bytes as there is room for, and wakes the last waiting task when there is more.
#[derive(Default)]
pub(crate) struct Transport {
    room: Mutex<Room>,
    /// Another task that writes replaces the waiting one, which is not woken then.
    is_forgetful: bool,
}

#[derive(Default)]
struct Room {
    bytes: usize,
    waiting: Option<Waker>,
}

impl Transport {
    pub(crate) fn new(is_forgetful: bool) -> Self {
        Self { room: Mutex::default(), is_forgetful }
    }

    /// Writes up to a number of bytes.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: usize) -> Poll<usize> {
        let mut room = lock(&self.room);
        if room.bytes == 0 {
            room.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if self.is_forgetful {
            room.waiting = None;
        }
        let written = bytes.min(room.bytes);
        room.bytes -= written;
        Poll::Ready(written)
    }

    /// Called by the peer after reading.
    pub(crate) fn make_room(&self, bytes: usize) {
        lock(&self.room).bytes += bytes;
        // A separate step, since another task may write before this one is woken.
        let waiting = lock(&self.room).waiting.take();
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

/// A timer that fires at any time once it is waited for.
#[derive(Default)]
pub(crate) struct Timer(Mutex<TimerState>);

#[derive(Default)]
struct TimerState {
    has_fired: bool,
    waiting: Option<Waker>,
    clock: Option<Waker>,
}

impl Timer {
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.0);
        if state.has_fired {
            return Poll::Ready(());
        }
        state.waiting = Some(cx.waker().clone());
        if let Some(clock) = state.clock.take() {
            clock.wake();
        }
        Poll::Pending
    }

    /// Waits for the timer to fire.
    pub(crate) fn poll_fire(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.0);
        let Some(waiting) = state.waiting.take() else {
            state.clock = Some(cx.waker().clone());
            return Poll::Pending;
        };
        state.has_fired = true;
        drop(state);
        waiting.wake();
        Poll::Ready(())
    }
}
