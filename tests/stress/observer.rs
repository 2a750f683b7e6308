//! Observers that panic, and observers that send on the observed connection.

use std::sync::{Arc, Mutex, OnceLock};

use tower_websocket::CloseCause;
use tower_websocket::observe::{ConnectionObserver, ConnectionOpened, Observer, Traffic};

use crate::random::Random;

/// The message of expected panics.
pub(crate) const PANIC: &str = "planted in an observer";

/// Sends something on the observed connection, once it is known.
pub(crate) type Send = Arc<OnceLock<Box<dyn Fn() + std::marker::Send + Sync>>>;

pub(crate) struct Unruly {
    random: Mutex<Random>,
    send: Send,
}

impl Unruly {
    pub(crate) fn new(random: Random, send: Send) -> Self {
        Self { random: Mutex::new(random), send }
    }
}

impl Observer for Unruly {
    fn opened(&self, _: &ConnectionOpened<'_>) -> Box<dyn ConnectionObserver> {
        let mut random = self.random.lock().unwrap();
        let panics_after = random.once_in(2).then(|| random.below(20));
        Box::new(UnrulyConnection { send: self.send.clone(), calls: 0, panics_after })
    }
}

struct UnrulyConnection {
    send: Send,
    calls: u64,
    panics_after: Option<u64>,
}

impl UnrulyConnection {
    fn act(&mut self) {
        // During the handshake, a panic would be that of the task that opens the connection.
        let Some(send) = self.send.get() else { return };
        self.calls += 1;
        // Not endlessly, since its messages are reported to it as well.
        if self.calls < 100 {
            send();
        }
        if self.panics_after.is_some_and(|calls| self.calls > calls) {
            panic!("{PANIC}");
        }
    }
}

impl ConnectionObserver for UnrulyConnection {
    fn passed(&mut self, _: &Traffic) {
        self.act();
    }

    fn closed(&mut self, _: &CloseCause) {
        self.act();
    }
}
