//! The times of a connection, as instants: what is due, and when.

use std::time::{Duration, Instant};

use websocket_driver::{Config, Keepalive, Timeout, TimerEvent, Version};
use websocket_tests::wire::VERSIONS;

const SECOND: Duration = Duration::from_secs(1);

fn config() -> Config {
    Config::server()
        .handshake_timeout(3 * SECOND)
        .close_timeout(5 * SECOND)
        .ping_interval(Some(20 * SECOND))
        .pong_timeout(10 * SECOND)
        .idle_timeout(None)
}

fn open(config: &Config, version: Version) -> (Keepalive, Instant) {
    let begun = Instant::now();
    let mut keepalive = Keepalive::new(config, begun);
    keepalive.opened(version, begun);
    (keepalive, begun)
}

#[test]
fn a_handshake_has_its_time_and_nothing_that_comes_prolongs_it() {
    let begun = Instant::now();
    let mut keepalive = Keepalive::new(&config(), begun);
    for second in 0..3 {
        let now = begun + second * SECOND;
        keepalive.heard(now);
        keepalive.used(now);
        assert_eq!(keepalive.poll(now), TimerEvent::At(begun + 3 * SECOND));
    }
    let last = begun + 3 * SECOND;
    assert_eq!(keepalive.poll(last - Duration::from_nanos(1)), TimerEvent::At(last));
    assert_eq!(keepalive.poll(last), TimerEvent::Expired(Timeout::Handshake));
    // Nobody is made to look at it only once.
    assert_eq!(keepalive.poll(last + SECOND), TimerEvent::Expired(Timeout::Handshake));
}

#[test]
fn a_close_has_its_time_and_nothing_that_comes_prolongs_it() {
    for version in VERSIONS {
        let (mut keepalive, begun) = open(&config().idle_timeout(Some(6 * SECOND)), version);
        let closing = begun + 4 * SECOND;
        keepalive.closing(closing);
        for second in 4..9 {
            let now = begun + second * SECOND;
            keepalive.heard(now);
            keepalive.used(now);
            assert_eq!(keepalive.poll(now), TimerEvent::At(closing + 5 * SECOND), "{version}");
        }
        assert_eq!(keepalive.poll(closing + 5 * SECOND), TimerEvent::Expired(Timeout::Close), "{version}");
    }
}

#[test]
fn a_close_while_a_ping_is_unanswered_has_all_of_its_time() {
    let (mut keepalive, begun) = open(&config(), Version::Hybi13);
    assert_eq!(keepalive.poll(begun + 20 * SECOND), TimerEvent::Ping);
    let closing = begun + 29 * SECOND;
    keepalive.closing(closing);
    assert_eq!(keepalive.poll(begun + 30 * SECOND), TimerEvent::At(closing + 5 * SECOND));
}

#[test]
fn the_hixie_drafts_have_no_pings_and_all_others_have() {
    for version in VERSIONS {
        let (mut keepalive, begun) = open(&config(), version);
        let due = if version.is_hixie() { TimerEvent::Never } else { TimerEvent::Ping };
        assert_eq!(keepalive.poll(begun + 3600 * SECOND), due, "{version}");
        // And are closed where they are idle.
        let (mut keepalive, begun) = open(&config().idle_timeout(Some(7 * SECOND)), version);
        assert_eq!(keepalive.poll(begun), TimerEvent::At(begun + 7 * SECOND), "{version}");
        assert_eq!(keepalive.poll(begun + 7 * SECOND), TimerEvent::Expired(Timeout::Idle), "{version}");
    }
}

#[test]
fn durations_without_end_never_end() {
    let endless = config()
        .handshake_timeout(Duration::MAX)
        .close_timeout(Duration::MAX)
        .ping_interval(Some(Duration::MAX))
        .pong_timeout(Duration::MAX)
        .idle_timeout(Some(Duration::MAX));
    let late = |begun: Instant| begun + 1_000_000 * SECOND;
    let (mut keepalive, begun) = open(&endless, Version::Hybi13);
    assert_eq!(keepalive.poll(late(begun)), TimerEvent::Never);
    keepalive.closing(begun);
    assert_eq!(keepalive.poll(late(begun)), TimerEvent::Never);
    assert_eq!(Keepalive::new(&endless, begun).poll(late(begun)), TimerEvent::Never);
    // A ping that may be unanswered for ever is sent once.
    let (mut keepalive, begun) = open(&endless.ping_interval(Some(SECOND)), Version::Hybi13);
    assert_eq!(keepalive.poll(begun + SECOND), TimerEvent::Ping);
    assert_eq!(keepalive.poll(late(begun)), TimerEvent::Never);
    // One that never ends does not hide another that does.
    let (mut keepalive, begun) = open(&config().idle_timeout(Some(Duration::MAX)), Version::Hybi13);
    assert_eq!(keepalive.poll(begun), TimerEvent::At(begun + 20 * SECOND));
}

#[test]
fn durations_of_nothing_are_over_at_once() {
    let (mut keepalive, begun) = open(&config().ping_interval(Some(Duration::ZERO)), Version::Hybi13);
    assert_eq!(keepalive.poll(begun), TimerEvent::Ping);
    assert_eq!(keepalive.poll(begun), TimerEvent::At(begun + 10 * SECOND));
    let mut keepalive = Keepalive::new(&config().handshake_timeout(Duration::ZERO), begun);
    assert_eq!(keepalive.poll(begun), TimerEvent::Expired(Timeout::Handshake));
}

#[test]
fn the_earlier_of_idle_and_ping_is_due_and_messages_are_no_signs_of_life_of_the_peer() {
    let config = config().idle_timeout(Some(25 * SECOND));
    let (mut keepalive, begun) = open(&config, Version::Hybi13);
    assert_eq!(keepalive.poll(begun), TimerEvent::At(begun + 20 * SECOND));
    assert_eq!(keepalive.poll(begun + 20 * SECOND), TimerEvent::Ping);
    assert_eq!(keepalive.poll(begun + 20 * SECOND), TimerEvent::At(begun + 25 * SECOND));
    // A message of ours.
    keepalive.used(begun + 24 * SECOND);
    assert_eq!(keepalive.poll(begun + 25 * SECOND), TimerEvent::At(begun + 30 * SECOND));
    assert_eq!(keepalive.poll(begun + 30 * SECOND), TimerEvent::Expired(Timeout::Pong));
    // Where both are over, it is told as idle.
    assert_eq!(keepalive.poll(begun + 49 * SECOND), TimerEvent::Expired(Timeout::Idle));
}

#[test]
fn a_clock_that_goes_back_harms_nobody() {
    let begun = Instant::now() + 100 * SECOND;
    let mut keepalive = Keepalive::new(&config(), begun);
    keepalive.opened(Version::Hybi13, begun);
    keepalive.heard(begun - 50 * SECOND);
    assert_eq!(keepalive.poll(begun - 50 * SECOND), TimerEvent::At(begun - 30 * SECOND));
    assert_eq!(keepalive.poll(begun), TimerEvent::Ping);
}
