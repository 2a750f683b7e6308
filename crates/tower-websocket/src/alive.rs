use std::sync::Weak;

use tokio::time::Instant;
use websocket_driver::{Config, Due, Keepalive, Version};

use crate::keeper::{Seat, Watched};

/// Whether a peer is alive: the driver's machine, which is told the time when the [keeper](crate::keeper) looks, and only then.
#[derive(Debug)]
pub(crate) struct Alive {
    keepalive: Keepalive,
    _seat: Seat,
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
        Some(Self { keepalive, _seat: Seat::take(connection, shortest) })
    }

    /// Something came.
    pub(crate) fn heard(&mut self, at: Instant) {
        self.keepalive.heard(at.into());
    }

    /// A message came or went.
    pub(crate) fn used(&mut self) {
        self.keepalive.used(Instant::now().into());
    }

    /// Whether there is something to do.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        // Of a copy, as it is told once.
        !matches!(self.keepalive.clone().poll(now.into()), Due::Never | Due::At(_))
    }

    /// What there is to do.
    pub(crate) fn due(&mut self, now: Instant) -> Due {
        self.keepalive.poll(now.into())
    }
}
