//! Rate limits on frames: bursts up to the limit, and recovery over time.

use std::time::{Duration, Instant};

use permessage_deflate::PermessageDeflate;
use websocket_driver::{Batch, CloseCause, Config, Driver, Event, Limit, LimitExceeded, Version};
use websocket_tests::accept;
use websocket_tests::wire::{Frame, HYBI, Handshake, ServerFrame, VERSIONS, frames, hixie_text};

use crate::session::Session;

const SECOND: Duration = Duration::from_secs(1);

fn of(version: Version) -> Vec<u8> {
    if version.is_hixie() { hixie_text("x") } else { Frame::text("x").bytes() }
}

/// Returns the number of frames accepted at this time.
fn admitted(session: &mut Session, now: Instant, frame: &[u8]) -> usize {
    session.driver.tick(now);
    (0..).take_while(|_| !session.feed(frame).is_empty() && !session.driver.is_closed()).count()
}

fn exceeded(session: &Session) -> Option<(Limit, u64)> {
    match session.driver.close_cause() {
        Some(&CloseCause::Limit(LimitExceeded { limit, max, size })) if size == max + 1 => Some((limit, max)),
        _ => None,
    }
}

#[test]
fn burst_of_the_limit_is_accepted_and_one_more_closes_with_1008() {
    let now = Instant::now();
    for version in VERSIONS {
        for limit in [1, 7, 1000] {
            let mut session = Session::open_with(version, Config::server().max_frame_rate(Some(limit)));
            assert_eq!(admitted(&mut session, now, &of(version)), limit as usize, "{version}");
            assert_eq!(exceeded(&session), Some((Limit::FrameRate, limit.into())), "{version}");
            assert_eq!(session.driver.close_frame().unwrap().code, 1008);
            if !version.is_hixie() {
                assert_eq!(session.frames().iter().map(ServerFrame::close_code).collect::<Vec<_>>(), [Some(1008)]);
            }
        }
    }
}

#[test]
fn rate_limit_of_zero_accepts_nothing() {
    let mut session = Session::open_with(Version::Hybi13, Config::server().max_frame_rate(Some(0)));
    assert_eq!(admitted(&mut session, Instant::now(), &of(Version::Hybi13)), 0);
    assert_eq!(exceeded(&session), Some((Limit::FrameRate, 0)));
}

#[test]
fn chunking_makes_no_difference() {
    for version in VERSIONS {
        for count in [10, 11] {
            for is_glued in [true, false] {
                let mut session = Session::open_with(version, Config::server().max_frame_rate(Some(10)));
                let bytes = of(version).repeat(count);
                if is_glued {
                    drop(session.feed(bytes))
                } else {
                    drop(session.feed_slowly(bytes))
                }
                assert_eq!(session.driver.is_closed(), count == 11, "{version}");
            }
        }
    }
}

#[test]
fn time_refills_at_most_one_second_of_frames() {
    for version in VERSIONS {
        let mut now = Instant::now();
        let mut session = Session::open_with(version, Config::server().max_frame_rate(Some(10)));
        session.driver.tick(now);
        session.feed(of(version).repeat(10));
        // A steady stream at the limit never ends.
        for _ in 0..100 {
            now += SECOND / 2;
            session.driver.tick(now);
            session.feed(of(version).repeat(5));
            assert!(!session.driver.is_closed(), "{version}");
        }
        now += 3600 * SECOND;
        assert_eq!(admitted(&mut session, now, &of(version)), 10, "{version}");
    }
}

#[test]
fn tokens_used_before_the_first_tick_are_refilled_from_then_on() {
    let begun = Instant::now();
    let mut session = Session::open_with(Version::Hybi13, Config::server().max_frame_rate(Some(10)));
    // For example, in one packet with the handshake.
    session.feed(of(Version::Hybi13).repeat(10));
    session.driver.tick(begun);
    session.driver.tick(begun + SECOND / 2);
    assert_eq!(admitted(&mut session, begun + SECOND / 2, &of(Version::Hybi13)), 5);
}

#[test]
fn clock_that_goes_back_takes_nothing_away() {
    let now = Instant::now() + SECOND;
    let mut session = Session::open_with(Version::Hybi13, Config::server().max_frame_rate(Some(10)));
    session.driver.tick(now);
    session.feed(of(Version::Hybi13).repeat(5));
    session.driver.tick(now - SECOND);
    assert_eq!(admitted(&mut session, now - SECOND, &of(Version::Hybi13)), 5);
}

#[test]
fn control_frames_count_for_both_limits_and_others_for_one() {
    let now = Instant::now();
    for version in HYBI {
        for control in [Frame::ping("x"), Frame::pong("x")] {
            let config = Config::server().max_control_rate(Some(3)).max_frame_rate(Some(100));
            let mut session = Session::open_with(version, config);
            assert_eq!(admitted(&mut session, now, &control.bytes()), 3);
            assert_eq!(exceeded(&session), Some((Limit::ControlRate, 3)));
            let config = Config::server().max_control_rate(Some(100)).max_frame_rate(Some(3));
            let mut session = Session::open_with(version, config);
            assert_eq!(admitted(&mut session, now, &control.bytes()), 3);
            assert_eq!(exceeded(&session), Some((Limit::FrameRate, 3)));
        }
        let mut session = Session::open_with(version, Config::server().max_control_rate(Some(0)));
        assert_eq!(session.feed(of(version).repeat(1000)).len(), 1000);
        // A close frame counts as well.
        session.feed(Frame::close(1000, "").bytes());
        assert_eq!(exceeded(&session), Some((Limit::ControlRate, 0)));
    }
}

#[test]
fn empty_fragments_count_as_frames() {
    let mut session = Session::open_with(Version::Hybi13, Config::server().max_frame_rate(Some(10)));
    let begun = frames([Frame::text("").more()].into_iter().chain((0..9).map(|_| Frame::continuation("").more())));
    session.feed(begun);
    assert!(!session.driver.is_closed());
    session.feed(Frame::continuation("").bytes());
    assert_eq!(exceeded(&session), Some((Limit::FrameRate, 10)));
}

#[test]
fn skipped_hixie_frames_count_as_well() {
    for version in [Version::Hixie75, Version::Hixie76] {
        let mut session = Session::open_with(version, Config::server().max_frame_rate(Some(10)));
        session.feed(b"\x80\x00".repeat(10));
        assert!(!session.driver.is_closed());
        session.feed(b"\x80");
        assert_eq!(exceeded(&session), Some((Limit::FrameRate, 10)), "{version}");
    }
}

#[test]
fn messages_that_would_be_batched_are_counted() {
    for config in [Config::server().max_frame_rate(Some(10)), Config::server().max_control_rate(Some(10))] {
        let mut session = Session::open_with(Version::Hybi13, config);
        session.driver.receive(&Frame::text("x").bytes().repeat(11)[..]);
        let mut batch = Batch::default();
        session.driver.lend(&mut batch);
        assert!(!batch.is_lent() && !batch.has_next());
    }
    // Without a rate limit, messages are lent to a batch.
    let mut session = Session::open(Version::Hybi13);
    session.driver.receive(&Frame::text("x").bytes()[..]);
    let mut batch = Batch::default();
    session.driver.lend(&mut batch);
    assert!(batch.has_next());
    session.driver.take_back(&mut batch);
}

#[test]
fn has_frame_does_not_count_a_frame_twice() {
    for (version, limit) in [(Version::Hybi13, 5), (Version::Hixie76, 5)] {
        let mut session = Session::open_with(version, Config::server().max_frame_rate(Some(limit)));
        for _ in 0..limit {
            session.driver.receive(&of(version)[..]);
            for _ in 0..10 {
                assert!(session.driver.has_frame());
            }
            assert_eq!(session.events().len(), 1, "{version}");
        }
        assert!(!session.driver.is_closed());
    }
}

#[test]
fn default_has_no_limit_and_needs_no_clock() {
    assert!(!Session::open(Version::Hybi13).driver.is_rate_limited());
    for config in [Config::server().max_frame_rate(Some(1)), Config::server().max_control_rate(Some(1))] {
        assert!(Session::open_with(Version::Hybi13, config).driver.is_rate_limited());
    }
    for version in VERSIONS {
        let mut session = Session::open(version);
        assert_eq!(session.feed(of(version).repeat(100_000)).len(), 100_000);
    }
}

#[test]
fn rate_limits_apply_to_clients_and_compressed_connections() {
    let config = Config::server().max_frame_rate(Some(3)).extension(PermessageDeflate::new()).unwrap();
    let handshake = Handshake::of(Version::Hybi13).with("Sec-WebSocket-Extensions", "permessage-deflate");
    let (_, driver) = accept(&handshake.request(), config).unwrap();
    let mut session = Session { driver };
    assert_eq!(session.events(), [Event::Open]);
    assert_eq!(admitted(&mut session, Instant::now(), &Frame::text("x").bytes()), 3);
    let config = Config::client().max_frame_rate(Some(3)).random(|bytes| match bytes.len() {
        16 => bytes.copy_from_slice(b"the sample nonce"),
        _ => bytes.fill(0),
    });
    let mut driver = Driver::client(&"ws://example.com/chat".parse().unwrap(), config).unwrap();
    driver.start().unwrap();
    let mut session = Session { driver };
    let answer = format!(
        "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        websocket_tests::wire::ACCEPT
    );
    assert_eq!(session.feed(answer), [Event::Open]);
    assert_eq!(admitted(&mut session, Instant::now(), &Frame::text("x").unmasked().bytes()), 3);
    assert_eq!(exceeded(&session), Some((Limit::FrameRate, 3)));
}
