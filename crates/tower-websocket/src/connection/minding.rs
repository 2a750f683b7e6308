//! What is done for a peer that says nothing, and for those who ask how far away it is.

use std::sync::{Mutex, Weak};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use websocket_driver::{CloseCause, Due, Timeout, Version};

use super::{Connection, Ending};
use crate::alive::Alive;
use crate::keeper::Watched;
use crate::lock::lock;

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Connection<T> {
    /// Looks after the peer from here on, if the configuration says so. `this` is where the connection will be.
    pub(crate) fn opened(&mut self, this: &Weak<Mutex<Self>>) {
        let config = self.driver.config();
        self.alive = Alive::new(config, self.driver.version().unwrap_or(Version::Hybi13), this.clone());
        self.is_watched |= self.alive.is_some();
        self.counts_use = self.alive.is_some() && config.get_idle_timeout().is_some();
        self.needs_time = config.is_rate_limited();
        if self.needs_time {
            // What has come already is made up for from here on.
            self.driver.tick(Instant::now().into());
        }
    }
}

/// Who receives is woken, if there is something to do for the peer.
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Watched for Mutex<Connection<T>> {
    fn look(&self, last: Instant, now: Instant) {
        let mut connection = lock(self);
        if connection.alive.as_mut().is_some_and(|alive| alive.look(last, now)) {
            connection.wake_receiver();
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// A message came or goes.
    #[inline]
    pub(super) fn used(&mut self) {
        if self.counts_use
            && let Some(alive) = &mut self.alive
        {
            alive.used();
        }
    }

    /// A pong came.
    pub(super) fn take_pong(&mut self, data: &[u8]) {
        if let Some(pings) = &mut self.pings
            && let Some(time) = pings.answer(data)
        {
            self.driver.report_round_trip(time);
        }
    }

    /// Does what is due for a peer that says nothing, and tells whether there was anything to do.
    #[inline]
    pub(super) fn mind(&mut self) -> bool {
        let Some(due) = self.alive.as_mut().and_then(Alive::due) else {
            return false;
        };
        self.mind_due(due);
        true
    }

    #[cold]
    fn mind_due(&mut self, due: Due) {
        match due {
            Due::Ping => {
                // With a number, so that the answer is known, only where somebody is told of it.
                let is_observed = self.driver.is_observed();
                let data = if is_observed { self.pings.get_or_insert_default().start(None) } else { Bytes::new() };
                // Where the output is full and stays so, the peer is not reading, and a ping would tell nothing more; where it
                // is written, that is the sign of life.
                drop(self.writable().map(|driver| driver.ping(data)));
            }
            Due::Expired(timeout) => self.expire(timeout),
            // Something came meanwhile.
            _ => {}
        }
    }

    fn expire(&mut self, timeout: Timeout) {
        self.alive = None;
        if timeout != Timeout::Idle {
            return self.end(CloseCause::Timeout(timeout));
        }
        self.driver.expire(timeout);
        if matches!(self.ending, Ending::None) {
            self.limit_ending(None);
        }
    }
}
