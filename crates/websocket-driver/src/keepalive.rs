use std::time::{Duration, Instant};

use crate::config::Config;
use crate::error::cause::Timeout;
use crate::version::Version;

/// The times of a connection: how long its handshake and its closing may take, when to ping a peer that says nothing, when to
/// give it up, and when to close for want of messages. It is a machine over instants, without a clock: who has one tells it what
/// happened, and [asks](Self::poll) when the time has come.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use websocket_driver::{Config, TimerEvent, Keepalive, Timeout, Version};
///
/// let second = Duration::from_secs(1);
/// let begun = Instant::now();
/// let config = Config::server().ping_interval(Some(20 * second)).pong_timeout(10 * second);
/// let mut keepalive = Keepalive::new(&config, begun);
/// assert_eq!(keepalive.poll(begun), TimerEvent::At(begun + 10 * second));
///
/// keepalive.opened(Version::Hybi13, begun);
/// assert_eq!(keepalive.poll(begun), TimerEvent::At(begun + 20 * second));
/// assert_eq!(keepalive.poll(begun + 20 * second), TimerEvent::Ping);
/// assert_eq!(keepalive.poll(begun + 20 * second), TimerEvent::At(begun + 30 * second));
/// // A pong, or anything else.
/// keepalive.heard(begun + 21 * second);
/// assert_eq!(keepalive.poll(begun + 30 * second), TimerEvent::At(begun + 41 * second));
/// assert_eq!(keepalive.poll(begun + 41 * second), TimerEvent::Ping);
/// assert_eq!(keepalive.poll(begun + 51 * second), TimerEvent::Expired(Timeout::Pong));
/// ```
#[derive(Debug, Clone)]
pub struct Keepalive {
    config: Config,
    phase: Phase,
    /// When the phase began; in the open one, when there was a sign of life last, or when it was asked for one.
    since: Instant,
    /// The last message, in either direction.
    used: Instant,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    ServerHandshake,
    Open(Pings),
    Closing,
}

#[derive(Debug, Clone, Copy)]
enum Pings {
    /// The protocol has none.
    Unknown,
    NotYet,
    Unanswered,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimerEvent {
    /// Nothing, whatever the time is, before something is told.
    Never,
    /// Nothing before then: ask again.
    At(Instant),
    /// Ping the peer. It is told once.
    Ping,
    /// A time is over: see [`Driver::expire`](crate::Driver::expire).
    Expired(Timeout),
}

impl Keepalive {
    /// For a connection whose handshake begins now.
    #[must_use]
    pub fn new(config: &Config, now: Instant) -> Self {
        Self { config: config.clone(), phase: Phase::ServerHandshake, since: now, used: now }
    }

    /// The handshake is done. The hixie drafts have no pings, so with those there will be none.
    pub fn opened(&mut self, version: Version, now: Instant) {
        self.phase = Phase::Open(if version.is_hixie() { Pings::Unknown } else { Pings::NotYet });
        (self.since, self.used) = (now, now);
    }

    /// This side has begun to close.
    pub fn closing(&mut self, now: Instant) {
        self.phase = Phase::Closing;
        self.since = now;
    }

    /// Something came, whatever it was.
    pub fn heard(&mut self, now: Instant) {
        if let Phase::Open(pings) = &mut self.phase {
            self.since = now;
            if let Pings::Unanswered = pings {
                *pings = Pings::NotYet;
            }
        }
    }

    /// A message came or went.
    pub fn used(&mut self, now: Instant) {
        self.used = now;
    }

    /// What is due now.
    pub fn poll(&mut self, now: Instant) -> TimerEvent {
        let settings = self.config.settings();
        let pings = match self.phase {
            Phase::ServerHandshake => return expire(Timeout::Handshake, self.since, settings.handshake_timeout, now),
            Phase::Closing => return expire(Timeout::Close, self.since, settings.close_timeout, now),
            Phase::Open(pings) => pings,
        };
        let idle = match settings.idle_timeout {
            Some(limit) => expire(Timeout::Idle, self.used, limit, now),
            None => TimerEvent::Never,
        };
        let ping = match (pings, settings.ping_interval) {
            (Pings::Unknown, _) | (_, None) => TimerEvent::Never,
            (Pings::Unanswered, Some(_)) => expire(Timeout::Pong, self.since, settings.pong_timeout, now),
            (Pings::NotYet, Some(interval)) => match after(self.since, interval) {
                Some(at) if at <= now => TimerEvent::Ping,
                Some(at) => TimerEvent::At(at),
                None => TimerEvent::Never,
            },
        };
        match (idle, ping) {
            (TimerEvent::Expired(_), _) => idle,
            (_, TimerEvent::Ping) => {
                self.phase = Phase::Open(Pings::Unanswered);
                self.since = now;
                TimerEvent::Ping
            }
            (TimerEvent::At(idle), TimerEvent::At(ping)) => TimerEvent::At(idle.min(ping)),
            (_, TimerEvent::Never) => idle,
            (_, ping) => ping,
        }
    }
}

fn expire(timeout: Timeout, since: Instant, limit: Duration, now: Instant) -> TimerEvent {
    match after(since, limit) {
        Some(at) if at <= now => TimerEvent::Expired(timeout),
        Some(at) => TimerEvent::At(at),
        None => TimerEvent::Never,
    }
}

/// `None` where that is never: an application may say so by a duration without end.
fn after(since: Instant, duration: Duration) -> Option<Instant> {
    since.checked_add(duration)
}
