use std::mem;
use std::sync::Weak;

use tokio::time::Instant;
use websocket_driver::{Config, Due, Keepalive, Version};

use crate::keeper::{Seat, Watched};

/// Whether a peer is alive: the driver's machine, which is told the time when the [keeper](crate::keeper) looks, and only then.
#[derive(Debug)]
pub(crate) struct Alive {
    keepalive: Keepalive,
    _seat: Seat,
    /// Something came since it was looked last.
    is_heard: bool,
    /// There is something to do.
    is_due: bool,
}

impl Alive {
    /// For a connection that opens now, if the configuration has anything to look after.
    pub(crate) fn new(config: &Config, version: Version, connection: Weak<dyn Watched>) -> Option<Self> {
        let ping_interval = config.get_ping_interval().filter(|_| !version.is_hixie());
        let pings = ping_interval.map(|interval| interval.min(config.get_pong_timeout()));
        let shortest = [pings, config.get_idle_timeout()].into_iter().flatten().min()?;
        let now = Instant::now().into();
        let mut keepalive = Keepalive::new(config, now);
        keepalive.opened(version, now);
        Some(Self { keepalive, _seat: Seat::take(connection, shortest), is_heard: false, is_due: false })
    }

    /// Something came.
    pub(crate) fn heard(&mut self) {
        self.is_heard = true;
    }

    /// A message came or went.
    pub(crate) fn used(&mut self) {
        self.keepalive.used(Instant::now().into());
    }

    /// Tells whether there is something new to do.
    pub(crate) fn look(&mut self, last: Instant, now: Instant) -> bool {
        self.hear(last);
        // Of a copy, as it is told once, and nobody may be there to do it.
        let is_due = !matches!(self.keepalive.clone().poll(now.into()), Due::Never | Due::At(_));
        is_due && !mem::replace(&mut self.is_due, true)
    }

    /// What there is to do, if anything.
    #[inline]
    pub(crate) fn due(&mut self) -> Option<Due> {
        if !self.is_due {
            return None;
        }
        self.is_due = false;
        let now = Instant::now();
        self.hear(now);
        Some(self.keepalive.poll(now.into()))
    }

    fn hear(&mut self, at: Instant) {
        if mem::take(&mut self.is_heard) {
            self.keepalive.heard(at.into());
        }
    }
}
