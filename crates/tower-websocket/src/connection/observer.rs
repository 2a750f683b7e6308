//! Calls observers: without the lock of the connection, and by one thread at a time.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use websocket_driver::{CloseCause, ConnectionObserver, Traffic};

use crate::sync::{Mutex, lock};

/// The observer of a connection, and the notifications that are pending for it.
pub(super) struct ObserverCell(Mutex<State>);

struct State {
    /// `None` during a call.
    observer: Option<Box<dyn ConnectionObserver>>,
    pending: Pending,
}

#[derive(Default)]
struct Pending {
    traffic: Traffic,
    round_trips: Vec<Duration>,
    closed: Option<CloseCause>,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.traffic == Traffic::default() && self.round_trips.is_empty() && self.closed.is_none()
    }

    fn report_to(&self, observer: &mut dyn ConnectionObserver) {
        if self.traffic != Traffic::default() {
            observer.passed(&self.traffic);
        }
        self.round_trips.iter().for_each(|&time| observer.answered(time));
        if let Some(cause) = &self.closed {
            observer.closed(cause);
        }
    }
}

impl fmt::Debug for ObserverCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserverCell").finish_non_exhaustive()
    }
}

impl ObserverCell {
    pub(super) fn new(observer: Box<dyn ConnectionObserver>) -> Self {
        Self(Mutex::new(State { observer: Some(observer), pending: Pending::default() }))
    }

    /// Passes pending notifications to the observer. If it is being called already, by another
    /// thread or further up the stack, that caller passes them. Panics do not get here: the driver
    /// contains them.
    pub(super) fn report(&self) {
        loop {
            let mut state = lock(&self.0);
            if state.pending.is_empty() {
                return;
            }
            let Some(mut observer) = state.observer.take() else {
                return;
            };
            let pending = mem::take(&mut state.pending);
            drop(state);
            pending.report_to(&mut *observer);
            lock(&self.0).observer = Some(observer);
        }
    }

    pub(super) fn has_pending(&self) -> bool {
        !lock(&self.0).pending.is_empty()
    }

    fn record(&self, record: impl FnOnce(&mut Pending)) {
        record(&mut lock(&self.0).pending);
    }
}

/// The observer that the driver calls while the lock is held. It records the notifications.
pub(super) struct Relay(pub(super) Arc<ObserverCell>);

impl ConnectionObserver for Relay {
    fn passed(&mut self, traffic: &Traffic) {
        self.0.record(|pending| pending.traffic += *traffic);
    }

    fn answered(&mut self, round_trip: Duration) {
        self.0.record(|pending| pending.round_trips.push(round_trip));
    }

    fn closed(&mut self, cause: &CloseCause) {
        self.0.record(|pending| pending.closed = Some(cause.clone()));
    }
}

/// Reports what is pending when the connection is dropped, unless its end was reported before.
impl Drop for ObserverCell {
    fn drop(&mut self) {
        self.report();
    }
}
