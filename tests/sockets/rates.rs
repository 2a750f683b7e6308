//! Rate limits on frames, with the clock of the runtime.

use std::time::Duration;

use tokio::time::sleep;
use tower_websocket::error::{Limit, LimitExceeded};
use tower_websocket::test::{self, Peer};
use tower_websocket::{CloseCause, Config, ServerConfig, Version, WebSocket};
use websocket_tests::wire::{Frame, HYBI, VERSIONS};

use crate::client::texts_of;
use crate::pair::with_peer;
use crate::run::run_paused;

const SECOND: Duration = Duration::from_secs(1);

fn limited(limit: u32) -> ServerConfig {
    Config::server().max_frame_rate(Some(limit))
}

/// Receives until the end.
async fn count(mut socket: WebSocket) -> (usize, Option<CloseCause>) {
    let mut received = 0;
    while let Some(next) = socket.recv().await {
        received += usize::from(next.is_ok());
    }
    (received, socket.close_cause())
}

fn texts(peer: &mut Peer, version: Version, count: usize) {
    // In one packet.
    peer.send_raw(texts_of(version, &vec!["x"; count]));
}

#[test]
fn burst_of_the_limit_is_accepted_and_one_more_closes_with_1008() {
    run_paused(async || {
        for version in VERSIONS {
            let (socket, mut peer) = with_peer(version, limited(50)).await;
            let server = tokio::spawn(count(socket));
            texts(&mut peer, version, 50);
            sleep(SECOND / 100).await;
            assert!(!server.is_finished());
            texts(&mut peer, version, 1);
            let (received, cause) = server.await.unwrap();
            assert_eq!(received, 50, "{version}");
            let exceeded = LimitExceeded { limit: Limit::FrameRate, max: 50, size: 51 };
            assert_eq!(cause, Some(CloseCause::Limit(exceeded)), "{version}");
            peer.expect_close(1008).await;
        }
    });
}

#[test]
fn time_refills_the_allowance() {
    run_paused(async || {
        for version in VERSIONS {
            let (socket, mut peer) = with_peer(version, limited(50)).await;
            let server = tokio::spawn(count(socket));
            texts(&mut peer, version, 50);
            for _ in 0..20 {
                sleep(SECOND / 2).await;
                texts(&mut peer, version, 25);
            }
            sleep(3600 * SECOND / 100).await;
            // No more than one second's worth.
            texts(&mut peer, version, 51);
            assert_eq!(server.await.unwrap().0, 50 + 20 * 25 + 50, "{version}");
        }
    });
}

#[test]
fn frames_that_arrived_with_the_handshake_are_refilled_from_then_on() {
    run_paused(async || {
        let (io, other) = test::transport();
        let mut peer = Peer::new(other);
        let handshake = websocket_tests::wire::Handshake::of(Version::Hybi13);
        let glued = texts_of(Version::Hybi13, &["x"; 50]);
        peer.send_raw([handshake.bytes(), glued].concat());
        let Ok(mut socket) = tower_websocket::accept(io, limited(50)).await else { panic!("no WebSocket") };
        let server = tokio::spawn(async move {
            let mut received = 0;
            while let Some(Ok(_)) = socket.recv().await {
                received += 1;
            }
            received
        });
        sleep(SECOND).await;
        texts(&mut peer, Version::Hybi13, 50);
        sleep(SECOND / 100).await;
        assert!(!server.is_finished());
        texts(&mut peer, Version::Hybi13, 50);
        assert_eq!(server.await.unwrap(), 100);
    });
}

#[test]
fn rate_limits_apply_to_single_frames_and_for_each() {
    run_paused(async || {
        let (mut socket, mut peer) = with_peer(Version::Hybi13, limited(50)).await;
        let server = tokio::spawn(async move {
            let mut received = 0;
            let _ = socket.for_each_borrowed(|_, _| received += 1).await;
            (received, socket.close_cause().unwrap().kind())
        });
        peer.chop(3);
        texts(&mut peer, Version::Hybi13, 60);
        assert_eq!(server.await.unwrap(), (50, "limit"));
    });
}

#[test]
fn control_frames_have_a_separate_limit() {
    run_paused(async || {
        for version in HYBI {
            for control in [Frame::ping(""), Frame::pong("")] {
                let (socket, mut peer) = with_peer(version, Config::server().max_control_rate(Some(5))).await;
                let server = tokio::spawn(count(socket));
                texts(&mut peer, version, 1000);
                peer.send_raw(control.bytes().repeat(5));
                sleep(2 * SECOND).await;
                assert!(!server.is_finished());
                peer.send_raw(control.bytes().repeat(6));
                let exceeded = LimitExceeded { limit: Limit::ControlRate, max: 5, size: 6 };
                assert_eq!(server.await.unwrap(), (1000, Some(CloseCause::Limit(exceeded))), "{version}");
            }
        }
    });
}

#[test]
fn tiny_fragments_count_as_frames() {
    run_paused(async || {
        let (socket, mut peer) = with_peer(Version::Hybi13, limited(50)).await;
        let server = tokio::spawn(count(socket));
        peer.send_raw([Frame::text("").more().bytes(), Frame::continuation("").more().bytes().repeat(50)].concat());
        assert!(matches!(server.await.unwrap(), (0, Some(CloseCause::Limit(_)))));
    });
}

#[test]
fn default_has_no_rate_limit() {
    run_paused(async || {
        for version in VERSIONS {
            let (socket, mut peer) = with_peer(version, Config::server()).await;
            let server = tokio::spawn(count(socket));
            texts(&mut peer, version, 100_000);
            peer.send_close(1000, "");
            assert_eq!(server.await.unwrap().0, 100_000, "{version}");
        }
    });
}
