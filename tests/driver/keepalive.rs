//! The timers of an open connection as instants: what is due, and when.

use std::time::{Duration, Instant};

use websocket_driver::{Config, Keepalive, ServerConfig, Timeout, Timeouts, TimerEvent, Version};
use websocket_tests::wire::VERSIONS;

const SECOND: Duration = Duration::from_secs(1);

fn config() -> ServerConfig {
    Config::server().ping_interval(Some(20 * SECOND)).pong_timeout(10 * SECOND).idle_timeout(None)
}

/// The timers of a connection with these timeouts, polled by the seconds since it opened.
struct Timers {
    keepalive: Keepalive,
    timeouts: Timeouts,
    opened: Instant,
}

impl Timers {
    fn open(config: &ServerConfig, version: Version) -> Self {
        let opened = Instant::now() + 100 * SECOND;
        Self { keepalive: Keepalive::new(version, opened), timeouts: config.timeouts(), opened }
    }

    fn poll(&mut self, seconds: u32) -> TimerEvent {
        self.keepalive.poll(&self.timeouts, self.at(seconds))
    }

    fn at(&self, seconds: u32) -> Instant {
        self.opened + seconds * SECOND
    }

    fn due(&self, seconds: u32) -> TimerEvent {
        TimerEvent::At(self.at(seconds))
    }
}

#[test]
fn keepalive_pings_in_all_versions_but_hixie() {
    for version in VERSIONS {
        let mut timers = Timers::open(&config(), version);
        let due = if version.is_hixie() { TimerEvent::Never } else { TimerEvent::Ping };
        assert_eq!(timers.poll(3600), due, "{version}");
    }
}

#[test]
fn idle_timeout_expires_in_all_versions() {
    for version in VERSIONS {
        let mut timers = Timers::open(&config().idle_timeout(Some(7 * SECOND)), version);
        assert_eq!(timers.poll(0), timers.due(7), "{version}");
        assert_eq!(timers.poll(7), TimerEvent::Expired(Timeout::Idle), "{version}");
        // It is reported until the caller acts.
        assert_eq!(timers.poll(8), TimerEvent::Expired(Timeout::Idle), "{version}");
    }
}

#[test]
fn expiry_is_exact_to_the_nanosecond() {
    let mut timers = Timers::open(&config(), Version::Hybi13);
    let before = timers.at(20) - Duration::from_nanos(1);
    assert_eq!(timers.keepalive.poll(&timers.timeouts, before), timers.due(20));
    assert_eq!(timers.poll(20), TimerEvent::Ping);
}

#[test]
fn duration_max_never_expires() {
    let endless =
        config().ping_interval(Some(Duration::MAX)).pong_timeout(Duration::MAX).idle_timeout(Some(Duration::MAX));
    assert_eq!(Timers::open(&endless, Version::Hybi13).poll(1_000_000), TimerEvent::Never);
    // The peer is pinged once, and may be silent for ever.
    let mut timers = Timers::open(&endless.ping_interval(Some(SECOND)), Version::Hybi13);
    assert_eq!(timers.poll(1), TimerEvent::Ping);
    assert_eq!(timers.poll(1_000_000), TimerEvent::Never);
    // One timer that never expires does not hide the other.
    let mut timers = Timers::open(&config().idle_timeout(Some(Duration::MAX)), Version::Hybi13);
    assert_eq!(timers.poll(0), timers.due(20));
}

#[test]
fn duration_zero_expires_at_once() {
    let mut timers = Timers::open(&config().ping_interval(Some(Duration::ZERO)), Version::Hybi13);
    assert_eq!(timers.poll(0), TimerEvent::Ping);
    assert_eq!(timers.poll(0), timers.due(10));
}

#[test]
fn earlier_of_idle_and_ping_is_due_and_sent_messages_are_no_sign_of_life() {
    let mut timers = Timers::open(&config().idle_timeout(Some(25 * SECOND)), Version::Hybi13);
    assert_eq!(timers.poll(0), timers.due(20));
    assert_eq!(timers.poll(20), TimerEvent::Ping);
    assert_eq!(timers.poll(20), timers.due(25));
    // A message is sent.
    timers.keepalive.on_message(timers.at(24));
    assert_eq!(timers.poll(25), timers.due(30));
    assert_eq!(timers.poll(30), TimerEvent::Expired(Timeout::Pong));
    // Idle is reported first if both have expired.
    assert_eq!(timers.poll(49), TimerEvent::Expired(Timeout::Idle));
}

#[test]
fn clock_that_goes_back_is_harmless() {
    let mut timers = Timers::open(&config(), Version::Hybi13);
    let earlier = timers.at(0) - 50 * SECOND;
    timers.keepalive.on_receive(earlier);
    assert_eq!(timers.keepalive.poll(&timers.timeouts, earlier), TimerEvent::At(earlier + 20 * SECOND));
    assert_eq!(timers.poll(0), TimerEvent::Ping);
}
