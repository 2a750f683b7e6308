//! Silent peers, in virtual time.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower_websocket::error::Timeout;
use tower_websocket::test::{self, Frame as PeerFrame};
use tower_websocket::{CloseCause, CloseCode, Config, Event, Message, ServerConfig, Version};
use websocket_tests::wire::{Frame, HYBI, VERSIONS};

use crate::pair::with_peer;
use crate::run::run_paused;

const SECOND: Duration = Duration::from_secs(1);

fn pinging() -> ServerConfig {
    Config::server().ping_interval(Some(20 * SECOND)).pong_timeout(10 * SECOND)
}

#[test]
fn silent_peer_is_pinged_and_then_timed_out() {
    run_paused(async || {
        for version in HYBI {
            let (mut socket, mut peer) = with_peer(version, pinging()).await;
            let begun = Instant::now();
            let server = tokio::spawn(async move {
                assert!(socket.recv().await.is_none());
                socket.close_frame().map(|close| close.code)
            });
            peer.expect_ping("").await;
            assert_eq!(begun.elapsed(), 20 * SECOND);
            assert_eq!(server.await.unwrap(), Some(CloseCode::ABNORMAL));
            assert_eq!(begun.elapsed(), 30 * SECOND);
            peer.expect_eof().await;
        }
    });
}

#[test]
fn answering_peer_is_kept_and_pinged_once_per_interval() {
    run_paused(async || {
        let (mut socket, mut peer) = with_peer(Version::Hybi13, pinging()).await;
        let begun = Instant::now();
        let server = tokio::spawn(async move { socket.recv().await.is_none() });
        for turn in 1..=100 {
            peer.expect_ping("").await;
            assert_eq!(begun.elapsed(), 20 * SECOND * turn);
            peer.send_pong("");
        }
        peer.close(4321, "done").await;
        assert!(server.await.unwrap());
    });
}

#[test]
fn first_ping_is_not_early_if_other_connections_exist() {
    run_paused(async || {
        let _other = with_peer(Version::Hybi13, pinging()).await;
        // Between two ticks, which are a second apart.
        sleep(SECOND * 19 / 10).await;
        let (mut socket, mut peer) = with_peer(Version::Hybi13, pinging()).await;
        let begun = Instant::now();
        tokio::spawn(async move { socket.recv().await.is_none() });
        peer.expect_ping("").await;
        assert_eq!(begun.elapsed(), 20 * SECOND + SECOND / 10);
    });
}

#[test]
fn any_input_counts_as_a_sign_of_life() {
    run_paused(async || {
        let (mut socket, mut peer) = with_peer(Version::Hybi13, pinging()).await;
        let server = tokio::spawn(async move {
            let mut received = 0;
            while let Some(Ok(_)) = socket.recv().await {
                received += 1;
            }
            received
        });
        for _ in 0..10 {
            sleep(19 * SECOND).await;
            peer.send_text("here");
        }
        let heard = Instant::now();
        peer.expect_ping("").await;
        assert_eq!(heard.elapsed(), 20 * SECOND);
        // An incomplete frame is a sign of life as well.
        sleep(9 * SECOND).await;
        let frame = Frame::text("late").bytes();
        peer.send_raw(&frame[..3]);
        sleep(15 * SECOND).await;
        peer.send_raw(&frame[3..]);
        peer.close(4321, "done").await;
        assert_eq!(server.await.unwrap(), 11);
    });
}

#[test]
fn connection_without_messages_is_closed_with_1001() {
    run_paused(async || {
        for version in VERSIONS {
            let config = pinging().idle_timeout(Some(60 * SECOND));
            let (mut socket, mut peer) = with_peer(version, config).await;
            let begun = Instant::now();
            let server = tokio::spawn(async move {
                assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("one"));
                sleep(30 * SECOND).await;
                socket.send("two").await.unwrap();
                assert!(socket.recv().await.is_none());
            });
            peer.send_text("one");
            peer.expect_text("two").await;
            if !version.is_hixie() {
                // At 30 s, since nothing was received at 20, and then at 50 and 70.
                for _ in 0..3 {
                    peer.expect_ping("").await;
                    peer.send_pong("");
                }
            }
            let reason = peer.expect_close(1001).await;
            assert_eq!(reason, if version.is_hixie() { "" } else { "idle timeout expired" });
            peer.send_close(1001, "");
            peer.expect_eof().await;
            server.await.unwrap();
            assert_eq!(begun.elapsed(), 90 * SECOND, "{version}");
        }
    });
}

#[test]
fn silent_peer_is_pinged_after_20_s_and_dropped_after_40_by_default() {
    run_paused(async || {
        for is_client in [false, true] {
            let (mut socket, mut peer) = if is_client {
                test::client(Config::client()).await
            } else {
                with_peer(Version::Hybi13, Config::server()).await
            };
            let begun = Instant::now();
            let receiving = tokio::spawn(async move {
                assert!(socket.recv().await.is_none());
                socket.close_cause()
            });
            peer.expect_ping("").await;
            assert_eq!(begun.elapsed(), 20 * SECOND);
            assert_eq!(receiving.await.unwrap(), Some(CloseCause::Timeout(Timeout::Pong)));
            assert_eq!(begun.elapsed(), 40 * SECOND);
        }
    });
}

#[test]
fn pings_can_be_disabled() {
    run_paused(async || {
        let (mut socket, mut peer) = with_peer(Version::Hybi13, Config::server().ping_interval(None)).await;
        let server = tokio::spawn(async move { socket.recv().await });
        peer.expect_nothing(3600 * 24 * SECOND).await;
        peer.send_text("still here");
        assert_eq!(server.await.unwrap().unwrap().unwrap(), Message::text("still here"));
    });
}

#[test]
fn recv_that_moves_to_another_task_takes_the_timer_along() {
    run_paused(async || {
        let (mut socket, mut peer) = with_peer(Version::Hybi13, pinging()).await;
        let waited = tokio::time::timeout(5 * SECOND, socket.recv()).await;
        assert!(waited.is_err());
        let server = tokio::spawn(async move { socket.recv().await.is_none() });
        peer.expect_ping("").await;
        assert!(server.await.unwrap());
    });
}

#[test]
fn keepalive_pongs_are_reported_unless_they_are_disabled() {
    run_paused(async || {
        for are_reported in [true, false] {
            for is_observed in [false, true] {
                let config = if is_observed { pinging().observer(test::Recorder::default()) } else { pinging() };
                let (mut socket, mut peer) = with_peer(Version::Hybi13, config).await;
                socket.set_keepalive_pongs(are_reported);
                let pongs = tokio::spawn(async move {
                    // Its pong is always reported.
                    socket.send_ping("").await.unwrap();
                    let mut pongs = 0;
                    while let Some(event) = socket.next_event().await {
                        pongs += usize::from(matches!(event, Ok(Event::Pong(_))));
                    }
                    pongs
                });
                peer.expect_ping("").await;
                peer.send_pong("");
                for _ in 0..3 {
                    let PeerFrame::Ping(data) = peer.next_frame().await else { panic!("no ping") };
                    peer.send_pong(data);
                    // It answers no ping.
                    peer.send_pong("");
                }
                peer.close(1000, "").await;
                assert_eq!(pongs.await.unwrap(), if are_reported { 7 } else { 4 }, "observed: {is_observed}");
            }
        }
    });
}

#[test]
fn keepalive_pong_is_hidden_while_the_socket_closes() {
    run_paused(async || {
        let (mut socket, mut peer) = with_peer(Version::Hybi13, pinging()).await;
        socket.set_keepalive_pongs(false);
        let receiving = tokio::spawn(async move {
            assert_eq!(socket.next_event().await.unwrap().unwrap(), Event::Message(Message::text("close")));
            socket.start_close(CloseCode::NORMAL, "").unwrap();
            socket.next_event().await.unwrap().unwrap()
        });
        peer.expect_ping("").await;
        peer.send_text("close");
        peer.expect_close(1000).await;
        peer.send_pong("");
        peer.send_close(1000, "");
        assert!(matches!(receiving.await.unwrap(), Event::Close(_)));
    });
}
