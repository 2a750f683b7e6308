//! Peers that say nothing, in virtual time.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower_websocket::{CloseCause, CloseCode, Config, Message, Timeout, Version};
use websocket_tests::wire::{Frame, HYBI, ServerFrame, VERSIONS};

use crate::pair::over_memory;
use crate::run::run_paused;

const SECOND: Duration = Duration::from_secs(1);

fn pinging() -> Config {
    Config::server().ping_interval(Some(20 * SECOND)).pong_timeout(10 * SECOND)
}

#[test]
fn a_silent_peer_is_pinged_and_then_given_up() {
    run_paused(async || {
        for version in HYBI {
            let (mut socket, mut client) = over_memory(1024, version, pinging()).await;
            let begun = Instant::now();
            let server = tokio::spawn(async move {
                assert!(socket.recv().await.is_none());
                socket.close_frame().map(|close| close.code)
            });
            assert_eq!(client.wire.frame().await, ServerFrame::new(9, ""));
            assert_eq!(begun.elapsed(), 20 * SECOND);
            assert_eq!(server.await.unwrap(), Some(CloseCode::ABNORMAL));
            assert_eq!(begun.elapsed(), 30 * SECOND);
            client.wire.eof().await;
        }
    });
}

#[test]
fn a_peer_that_answers_is_kept_for_ever_and_pinged_once_an_interval() {
    run_paused(async || {
        let (mut socket, mut client) = over_memory(1024, Version::Hybi13, pinging()).await;
        let begun = Instant::now();
        let server = tokio::spawn(async move { socket.recv().await.is_none() });
        for turn in 1..=100 {
            assert_eq!(client.wire.frame().await, ServerFrame::new(9, ""));
            assert_eq!(begun.elapsed(), 20 * SECOND * turn);
            client.wire.write(Frame::pong("").bytes()).await;
        }
        client.close().await;
        assert!(server.await.unwrap());
    });
}

#[test]
fn whatever_comes_counts_as_a_sign_of_life() {
    run_paused(async || {
        let (mut socket, mut client) = over_memory(1024, Version::Hybi13, pinging()).await;
        let server = tokio::spawn(async move {
            let mut received = 0;
            while let Some(Ok(_)) = socket.recv().await {
                received += 1;
            }
            received
        });
        for _ in 0..10 {
            sleep(19 * SECOND).await;
            client.wire.write(Frame::text("here").bytes()).await;
        }
        let heard = Instant::now();
        assert_eq!(client.wire.frame().await, ServerFrame::new(9, ""));
        assert_eq!(heard.elapsed(), 20 * SECOND);
        // Half a frame is one, too.
        sleep(9 * SECOND).await;
        let frame = Frame::text("late").bytes();
        client.wire.write(&frame[..3]).await;
        sleep(15 * SECOND).await;
        client.wire.write(&frame[3..]).await;
        client.close().await;
        assert_eq!(server.await.unwrap(), 11);
    });
}

#[test]
fn a_connection_without_messages_is_closed_with_1001() {
    run_paused(async || {
        for version in VERSIONS {
            let config = pinging().idle_timeout(Some(60 * SECOND));
            let (mut socket, mut client) = over_memory(1024, version, config).await;
            let begun = Instant::now();
            let server = tokio::spawn(async move {
                assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("one"));
                sleep(30 * SECOND).await;
                socket.send("two").await.unwrap();
                assert!(socket.recv().await.is_none());
            });
            client.send(&["one"]).await;
            assert_eq!(client.text().await, "two");
            if version.is_hixie() {
                // No pings there; hixie-75 has no close, either.
                if version == Version::Hixie76 {
                    assert_eq!(client.wire.bytes(2).await, [0xff, 0x00]);
                    client.wire.write([0xff, 0x00]).await;
                }
            } else {
                // At 50 and 70 s: while nobody received, nobody was held to say anything.
                for _ in 0..2 {
                    assert_eq!(client.wire.frame().await, ServerFrame::new(9, ""));
                    client.wire.write(Frame::pong("").bytes()).await;
                }
                assert_eq!(client.wire.frame().await, ServerFrame::close(1001, "idle for too long"));
                client.wire.write(Frame::close(1001, "").bytes()).await;
            }
            client.wire.eof().await;
            server.await.unwrap();
            assert_eq!(begun.elapsed(), 90 * SECOND, "{version}");
        }
    });
}

#[test]
fn by_default_a_silent_peer_is_pinged_after_20_s_and_given_up_after_40() {
    run_paused(async || {
        for config in [Config::server(), Config::client()] {
            let (mut socket, mut client) = over_memory(1024, Version::Hybi13, config).await;
            let begun = Instant::now();
            let server = tokio::spawn(async move {
                assert!(socket.recv().await.is_none());
                socket.close_cause()
            });
            assert_eq!(client.wire.frame().await, ServerFrame::new(9, ""));
            assert_eq!(begun.elapsed(), 20 * SECOND);
            assert_eq!(server.await.unwrap(), Some(CloseCause::Timeout(Timeout::Pong)));
            assert_eq!(begun.elapsed(), 40 * SECOND);
        }
    });
}

#[test]
fn nothing_is_pinged_where_the_configuration_says_so() {
    run_paused(async || {
        let config = Config::server().ping_interval(None);
        let (mut socket, mut client) = over_memory(1024, Version::Hybi13, config).await;
        let server = tokio::spawn(async move { socket.recv().await });
        sleep(3600 * 24 * SECOND).await;
        client.send(&["still here"]).await;
        assert_eq!(server.await.unwrap().unwrap().unwrap(), Message::text("still here"));
    });
}

#[test]
fn a_recv_that_moves_to_another_task_takes_the_timer_along() {
    run_paused(async || {
        let (mut socket, mut client) = over_memory(1024, Version::Hybi13, pinging()).await;
        let waited = tokio::time::timeout(5 * SECOND, socket.recv()).await;
        assert!(waited.is_err());
        let server = tokio::spawn(async move { socket.recv().await.is_none() });
        assert_eq!(client.wire.frame().await, ServerFrame::new(9, ""));
        assert!(server.await.unwrap());
    });
}
