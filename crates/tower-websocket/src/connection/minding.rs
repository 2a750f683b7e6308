//! What is done for a peer that says nothing, and for those who ask how far away it is.

use std::mem;
use std::sync::{Mutex, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::Instant;
use websocket_driver::{CloseCause, Due, Timeout, Version};

use super::Connection;
use crate::alive::Alive;
use crate::keeper::Watched;
use crate::lock::lock;

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Connection<T> {
    /// Looks after the peer from here on, if the configuration says so. `this` is where the connection will be.
    pub(crate) fn opened(&mut self, this: &Weak<Mutex<Self>>) {
        let config = self.driver.config();
        self.alive = Alive::new(config, self.driver.version().unwrap_or(Version::Hybi13), this.clone());
        self.is_watched |= self.alive.is_some();
        // The request is no sign of life beyond now: it would count as of the keeper's last look, which is earlier.
        self.is_heard = false;
        self.counts_use = self.alive.is_some() && config.get_idle_timeout().is_some();
        self.needs_time = config.is_rate_limited();
        if self.needs_time {
            // What has come already is made up for from here on.
            self.driver.tick(Instant::now().into());
        }
    }
}

/// Who receives is woken, if there is something to do for the peer.
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Watched for Mutex<Connection<T>> {
    fn look(&self, last: Instant, now: Instant) {
        let mut connection = lock(self);
        connection.hear(last);
        // It is told once, and nobody may be there to do it.
        if connection.alive.as_ref().is_some_and(|alive| alive.is_due(now))
            && !mem::replace(&mut connection.is_due, true)
        {
            connection.wake_receiver();
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Connection<T> {
    /// A message came or goes.
    #[inline]
    pub(super) fn used(&mut self) {
        if self.counts_use
            && let Some(alive) = &mut self.alive
        {
            alive.used();
        }
    }

    /// The payload of a ping that leaves now, and whose pong is waited for.
    pub(super) fn start_ping(&mut self, answered: Option<oneshot::Sender<Duration>>) -> Bytes {
        self.rare.get_or_insert_default().pings.start(answered)
    }

    /// A pong came.
    pub(super) fn take_pong(&mut self, data: &[u8]) {
        if let Some(rare) = &mut self.rare
            && let Some(time) = rare.pings.answer(data)
        {
            self.driver.report_round_trip(time);
        }
    }

    /// Does what is due for a peer that says nothing, and tells whether there was anything to do.
    #[inline]
    pub(super) fn mind(&mut self) -> bool {
        let is_due = mem::take(&mut self.is_due);
        if is_due {
            self.mind_due();
        }
        is_due
    }

    #[cold]
    fn mind_due(&mut self) {
        let now = Instant::now();
        self.hear(now);
        match self.alive.as_mut().map_or(Due::Never, |alive| alive.due(now)) {
            Due::Ping => {
                // With a number, so that the answer is known, only where somebody is told of it.
                let is_observed = self.driver.is_observed();
                let data = if is_observed { self.start_ping(None) } else { Bytes::new() };
                // Where the output is full and stays so, the peer is not reading, and a ping would tell nothing more; where it
                // is written, that is the sign of life.
                drop(self.writable().map(|driver| driver.ping(data)));
            }
            Due::Expired(timeout) => self.expire(timeout),
            // Something came meanwhile.
            _ => {}
        }
    }

    /// Tells when something came, if it did since this was called last.
    fn hear(&mut self, at: Instant) {
        if mem::take(&mut self.is_heard)
            && let Some(alive) = &mut self.alive
        {
            alive.heard(at);
        }
    }

    fn expire(&mut self, timeout: Timeout) {
        self.alive = None;
        if timeout != Timeout::Idle {
            return self.end(CloseCause::Timeout(timeout));
        }
        self.driver.expire(timeout);
        if self.ending.is_none() {
            self.limit_ending(None);
        }
    }
}
