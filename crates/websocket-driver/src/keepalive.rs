use std::time::{Duration, Instant};

use crate::config::Config;

/// When to ping a peer that says nothing, and when to give it up: a machine over instants, without a clock. Who has one
/// tells it what was [heard](Self::heard), and [asks](Self::poll) when the time has come.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use websocket_driver::{Config, Due, Keepalive};
///
/// let second = Duration::from_secs(1);
/// let begun = Instant::now();
/// let config = Config::server().ping_interval(Some(20 * second)).pong_timeout(10 * second);
/// let mut keepalive = Keepalive::new(&config, begun).unwrap();
///
/// assert_eq!(keepalive.poll(begun), Due::At(begun + 20 * second));
/// assert_eq!(keepalive.poll(begun + 20 * second), Due::Ping);
/// assert_eq!(keepalive.poll(begun + 20 * second), Due::At(begun + 30 * second));
/// // A pong, or anything else.
/// keepalive.heard(begun + 21 * second);
/// assert_eq!(keepalive.poll(begun + 30 * second), Due::At(begun + 41 * second));
/// assert_eq!(keepalive.poll(begun + 41 * second), Due::Ping);
/// assert_eq!(keepalive.poll(begun + 51 * second), Due::Dead);
/// ```
#[derive(Debug, Clone)]
pub struct Keepalive {
    ping_interval: Option<Duration>,
    pong_timeout: Duration,
    idle_timeout: Option<Duration>,
    heard: Instant,
    /// The last message, in either direction.
    used: Instant,
    pinged: Option<Instant>,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing before then: ask again.
    At(Instant),
    /// Ping the peer. It is told once.
    Ping,
    /// The peer has said nothing for too long, not even a pong: drop the transport.
    Dead,
    /// There was no message for too long: close.
    Idle,
}

impl Keepalive {
    /// For a connection that opens now; `None` where the configuration has nothing to look after.
    pub fn new(config: &Config, now: Instant) -> Option<Self> {
        let settings = config.settings();
        if settings.ping_interval.is_none() && settings.idle_timeout.is_none() {
            return None;
        }
        Some(Self {
            ping_interval: settings.ping_interval,
            pong_timeout: settings.pong_timeout,
            idle_timeout: settings.idle_timeout,
            heard: now,
            used: now,
            pinged: None,
        })
    }

    /// Without pings, for a protocol that has none: the hixie drafts.
    pub fn without_pings(self) -> Self {
        Self { ping_interval: None, ..self }
    }

    /// Something came, whatever it was.
    pub fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.pinged = None;
    }

    /// A message came or went.
    pub fn used(&mut self, now: Instant) {
        self.used = now;
    }

    /// What is due now.
    pub fn poll(&mut self, now: Instant) -> Due {
        let idle = self.idle_timeout.map(|limit| self.used + limit);
        if idle.is_some_and(|idle| idle <= now) {
            return Due::Idle;
        }
        let next = match (self.ping_interval, self.pinged) {
            (None, _) => None,
            (Some(_), Some(pinged)) if pinged + self.pong_timeout <= now => return Due::Dead,
            (Some(_), Some(pinged)) => Some(pinged + self.pong_timeout),
            (Some(interval), None) if self.heard + interval <= now => {
                self.pinged = Some(now);
                return Due::Ping;
            }
            (Some(interval), None) => Some(self.heard + interval),
        };
        match (next, idle) {
            (Some(next), Some(idle)) => Due::At(next.min(idle)),
            (Some(next), None) | (None, Some(next)) => Due::At(next),
            // Where both are off there is nothing to wait for.
            (None, None) => Due::At(now + Duration::from_secs(60 * 60 * 24)),
        }
    }
}
