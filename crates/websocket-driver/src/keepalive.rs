//! The timers of an open connection.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::config::values::Timeouts;
use crate::error::cause::Timeout;
use crate::version::Version;

/// The idle timeout and the keepalive pings of an open connection, as a state machine without a
/// clock: the caller passes every [`Instant`], and sends the pings.
///
/// The timeouts of the handshake and of the close are left to the caller, since each is one
/// deadline ([`Timeouts::handshake`], [`Timeouts::close`]).
///
/// ```
/// use std::time::{Duration, Instant};
/// use websocket_driver::{Config, Keepalive, Timeout, TimerEvent, Version};
///
/// let second = Duration::from_secs(1);
/// let opened = Instant::now();
/// let timeouts = Config::server().ping_interval(Some(20 * second)).pong_timeout(10 * second).timeouts();
/// let mut keepalive = Keepalive::new(Version::Hybi13, opened);
///
/// assert_eq!(keepalive.poll(&timeouts, opened), TimerEvent::At(opened + 20 * second));
/// assert_eq!(keepalive.poll(&timeouts, opened + 20 * second), TimerEvent::Ping);
/// assert_eq!(keepalive.poll(&timeouts, opened + 20 * second), TimerEvent::At(opened + 30 * second));
/// // A pong is received, or anything else.
/// keepalive.on_receive(opened + 21 * second);
/// assert_eq!(keepalive.poll(&timeouts, opened + 30 * second), TimerEvent::At(opened + 41 * second));
/// assert_eq!(keepalive.poll(&timeouts, opened + 41 * second), TimerEvent::Ping);
/// assert_eq!(keepalive.poll(&timeouts, opened + 51 * second), TimerEvent::Expired(Timeout::Pong));
/// ```
#[derive(Debug, Clone)]
pub struct Keepalive {
    pings: Pings,
    /// When something was last received, or the peer was pinged.
    since: Moment,
    /// When the last message was sent or received.
    last_message: Moment,
}

/// An instant in half the memory, as every idle connection holds two: the number of nanoseconds
/// since [`ORIGIN`], which spans 292 years before and after it.
#[derive(Debug, Clone, Copy)]
struct Moment(i64);

/// The first instant that was converted.
static ORIGIN: OnceLock<Instant> = OnceLock::new();

impl From<Instant> for Moment {
    fn from(instant: Instant) -> Self {
        let origin = *ORIGIN.get_or_init(|| instant);
        let nanos = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        match instant.checked_duration_since(origin) {
            Some(after) => Self(nanos(after)),
            None => Self(-nanos(origin - instant)),
        }
    }
}

impl Moment {
    fn checked_add(self, duration: Duration) -> Option<Instant> {
        let origin = *ORIGIN.get()?;
        let distance = Duration::from_nanos(self.0.unsigned_abs());
        let instant = if self.0 < 0 { origin.checked_sub(distance) } else { origin.checked_add(distance) };
        instant?.checked_add(duration)
    }
}

#[derive(Debug, Clone, Copy)]
enum Pings {
    /// The protocol has no pings.
    Unsupported,
    Answered,
    Unanswered,
}

/// The result of [`Keepalive::poll`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimerEvent {
    /// No timer is running. This changes only with a call of another method of [`Keepalive`].
    Never,
    /// Nothing is due before this instant: poll again then.
    At(Instant),
    /// The peer must be pinged. Returned once for each ping.
    Ping,
    /// A timeout has expired: see [`Driver::expire`](crate::Driver::expire).
    Expired(Timeout),
}

impl Keepalive {
    /// Creates the timers of a connection that opens now. The hixie drafts have no pings, so only
    /// the idle timeout applies to them.
    #[must_use]
    pub fn new(version: Version, now: Instant) -> Self {
        let pings = if version.is_hixie() { Pings::Unsupported } else { Pings::Answered };
        Self { pings, since: now.into(), last_message: now.into() }
    }

    /// Records that something of any kind was received.
    pub fn on_receive(&mut self, now: Instant) {
        self.since = now.into();
        if let Pings::Unanswered = self.pings {
            self.pings = Pings::Answered;
        }
    }

    /// Records that a message was received or sent.
    pub fn on_message(&mut self, now: Instant) {
        self.last_message = now.into();
    }

    /// Returns the event that is due now, or the instant at which to poll again.
    pub fn poll(&mut self, timeouts: &Timeouts, now: Instant) -> TimerEvent {
        let idle = match timeouts.idle {
            Some(limit) => expire(Timeout::Idle, self.last_message, limit, now),
            None => TimerEvent::Never,
        };
        let ping = match (self.pings, timeouts.ping_interval) {
            (Pings::Unsupported, _) | (_, None) => TimerEvent::Never,
            (Pings::Unanswered, Some(_)) => expire(Timeout::Pong, self.since, timeouts.pong, now),
            (Pings::Answered, Some(interval)) => match self.since.checked_add(interval) {
                Some(at) if at <= now => TimerEvent::Ping,
                Some(at) => TimerEvent::At(at),
                None => TimerEvent::Never,
            },
        };
        match (idle, ping) {
            (TimerEvent::Expired(_), _) => idle,
            (_, TimerEvent::Ping) => {
                self.pings = Pings::Unanswered;
                self.since = now.into();
                TimerEvent::Ping
            }
            (TimerEvent::At(idle), TimerEvent::At(ping)) => TimerEvent::At(idle.min(ping)),
            (_, TimerEvent::Never) => idle,
            (_, ping) => ping,
        }
    }
}

/// Returns when a timeout expires. An instant too far away to be represented, as with
/// [`Duration::MAX`], is never reached.
fn expire(timeout: Timeout, since: Moment, limit: Duration, now: Instant) -> TimerEvent {
    match since.checked_add(limit) {
        Some(at) if at <= now => TimerEvent::Expired(timeout),
        Some(at) => TimerEvent::At(at),
        None => TimerEvent::Never,
    }
}
