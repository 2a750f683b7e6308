//! Orderly closing by either side.

use std::io::Write;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, sleep, timeout};
use tower_websocket::test::Peer;
use tower_websocket::{CloseCode, CloseFrame, Config, Error, Event, SendError, Version, WebSocket, accept};
use websocket_tests::wire::{HYBI, Handshake, VERSIONS};

use crate::client::texts_of;
use crate::pair::{tcp, with_peer};
use crate::run::{run, run_paused};

async fn open(version: Version) -> (WebSocket, Peer) {
    with_peer(version, Config::server()).await
}

/// Expects a close with 4000 and "bye" from the server, and answers it.
async fn expect_close(mut peer: Peer, version: Version) {
    let reason = peer.expect_close(4000).await;
    assert_eq!(reason, if version.is_hixie() { "" } else { "bye" });
    peer.send_close(4000, "");
    peer.expect_eof().await;
}

fn is_closed<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Send(SendError::Closed)))
}

#[test]
fn close_waits_for_its_answer_and_returns_it() {
    run(async || {
        for version in HYBI {
            let (mut socket, mut peer) = open(version).await;
            let client = async {
                assert_eq!(peer.expect_close(4000).await, "enough");
                peer.send_close(4001, "well");
                peer.expect_eof().await;
            };
            let (result, ()) = tokio::join!(socket.close(4000.into(), "enough"), client);
            result.unwrap();
            let answer = CloseFrame { code: 4001.into(), reason: "well".into() };
            assert_eq!(socket.close_frame(), Some(&answer));
        }
    });
}

#[test]
fn close_without_a_code_has_no_body() {
    run(async || {
        let (mut socket, mut peer) = open(Version::Hybi13).await;
        let client = async {
            peer.expect_close(CloseCode::NO_STATUS).await;
            peer.send_close(CloseCode::NO_STATUS, "");
            peer.expect_eof().await;
        };
        let (result, ()) = tokio::join!(socket.close(CloseCode::NO_STATUS, ""), client);
        result.unwrap();
        assert_eq!(socket.close_frame(), Some(&CloseCode::NO_STATUS.into()));
    });
}

#[test]
fn messages_fed_before_a_close_precede_it_and_later_input_is_dropped() {
    run(async || {
        for version in VERSIONS {
            let (mut socket, mut peer) = open(version).await;
            socket.feed("first").await.unwrap();
            let client = async {
                peer.send_text("one");
                peer.send_text("two");
                peer.expect_text("first").await;
                expect_close(peer, version).await;
            };
            let (result, ()) = tokio::join!(socket.close(4000.into(), "bye"), client);
            result.unwrap();
            assert!(socket.recv().await.is_none());
        }
    });
}

#[test]
fn invalid_code_or_reason_is_refused_and_the_socket_continues() {
    run(async || {
        let (mut socket, mut peer) = open(Version::Hybi13).await;
        for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
            let error = socket.close(code.into(), "reason").await.unwrap_err();
            assert!(matches!(error, Error::Send(SendError::InvalidCloseCode(_))), "{code}: {error:?}");
        }
        let error = socket.close(CloseCode::NORMAL, &"x".repeat(124)).await.unwrap_err();
        assert!(matches!(error, Error::Send(SendError::ReasonTooLong)), "{error:?}");
        peer.send_text("on");
        let message = socket.recv().await.unwrap().unwrap();
        socket.send(message).await.unwrap();
        peer.expect_text("on").await;
    });
}

#[test]
fn send_after_a_close_is_refused() {
    run(async || {
        for version in VERSIONS {
            let (mut socket, peer) = open(version).await;
            let (result, ()) = tokio::join!(socket.close(4000.into(), "bye"), expect_close(peer, version));
            result.unwrap();
            assert!(is_closed(socket.send("late").await));
            assert!(is_closed(socket.feed("late").await));
            // Operations that a hixie draft does not support also fail after closing, with either
            // error.
            assert!(matches!(socket.send_ping("late").await, Err(Error::Send(_))));
            socket.flush().await.unwrap();
        }
    });
}

#[test]
fn send_during_a_close_is_refused() {
    run(async || {
        let (mut socket, mut peer) = open(Version::Hybi13).await;
        // Cancelled once it has started.
        assert!(socket.close(4000.into(), "bye").now_or_never().is_none());
        assert!(is_closed(socket.send("late").await));
        assert!(is_closed(socket.send_ping("late").await));
        peer.send_text("still");
        peer.send_ping("not answered");
        assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("still"));
        assert!(socket.recv().now_or_never().is_none());
        let rest = tokio::join!(socket.recv(), expect_close(peer, Version::Hybi13)).0;
        assert!(rest.is_none());
    });
}

#[test]
fn second_close_and_close_after_the_end_are_harmless() {
    run(async || {
        for version in VERSIONS {
            let (mut socket, peer) = open(version).await;
            assert_eq!(socket.close(4000.into(), "bye").now_or_never().is_some(), version == Version::Hixie75);
            // It waits for the end of the first.
            let (result, ()) = tokio::join!(socket.close(1000.into(), "again"), expect_close(peer, version));
            result.unwrap();
            socket.close(1000.into(), "and again").await.unwrap();
            assert!(socket.recv().await.is_none() && socket.next_event().await.is_none());

            // With the client's close frame, and only with its end.
            for is_closed_first in [true, false] {
                let (mut socket, mut peer) = open(version).await;
                if is_closed_first {
                    peer.send_close(1000, "");
                }
                drop(peer);
                while let Some(Ok(_)) = socket.recv().await {}
                assert!(socket.recv().await.is_none());
                let close = socket.close_frame().cloned();
                socket.close(4000.into(), "late").await.unwrap();
                socket.close(4000.into(), "later").await.unwrap();
                assert_eq!(socket.close_frame(), close.as_ref());
                assert!(is_closed(socket.send("late").await));
            }
        }
    });
}

#[test]
fn crossing_closes_are_one() {
    run(async || {
        let (mut socket, mut peer) = open(Version::Hybi13).await;
        peer.send_close(1001, "mine");
        socket.close(1000.into(), "mine").await.unwrap();
        assert_eq!(socket.close_frame(), Some(&CloseFrame { code: 1001.into(), reason: "mine".into() }));
        assert_eq!(peer.expect_close(1000).await, "mine");
        peer.expect_eof().await;
    });
}

#[test]
fn cancelled_close_is_completed_by_recv() {
    run(async || {
        for version in VERSIONS.into_iter().filter(|version| *version != Version::Hixie75) {
            let (mut socket, peer) = open(version).await;
            assert!(socket.close(4000.into(), "bye").now_or_never().is_none());
            let (end, ()) = tokio::join!(socket.recv(), expect_close(peer, version));
            assert!(end.is_none());
        }
    });
}

#[test]
fn client_that_does_not_answer_a_close_is_timed_out() {
    run_paused(async || {
        for (config, seconds) in [(Config::server(), 10), (Config::server().close_timeout(Duration::from_secs(3)), 3)] {
            for version in VERSIONS {
                let (mut socket, mut peer) = with_peer(version, config.clone()).await;
                let start = Instant::now();
                socket.close(4000.into(), "bye").await.unwrap();
                let expected = if version == Version::Hixie75 { 0 } else { seconds };
                assert_eq!(start.elapsed().as_secs(), expected, "{version}");
                let code = if version == Version::Hixie75 { 4000.into() } else { CloseCode::ABNORMAL };
                assert_eq!(socket.close_frame().map(|close| close.code), Some(code));
                drop(socket);
                peer.rest().await;
            }
        }
    });
}

#[test]
fn client_that_does_not_read_a_close_is_timed_out() {
    run_paused(async || {
        for version in VERSIONS {
            let (mut socket, mut peer) = open(version).await;
            peer.capacity(1024);
            socket.feed("x".repeat(10_000)).await.unwrap();
            let start = Instant::now();
            socket.close(4000.into(), "bye").await.unwrap();
            assert_eq!(start.elapsed().as_secs(), 10, "{version}");
            assert!(is_closed(socket.send("late").await));
        }
    });
}

#[test]
fn client_that_does_not_read_the_answer_to_its_close_is_timed_out() {
    run_paused(async || {
        for version in VERSIONS.into_iter().filter(|version| *version != Version::Hixie75) {
            let (mut socket, mut peer) = open(version).await;
            peer.capacity(1024);
            peer.send_text("before");
            peer.send_close(1000, "");
            assert!(socket.recv().await.is_some());
            socket.feed("x".repeat(10_000)).await.unwrap();
            let start = Instant::now();
            assert!(timeout(Duration::from_secs(60), socket.recv()).await.expect("an end in time").is_none());
            assert!(start.elapsed() <= Duration::from_secs(20), "{version} {:?}", start.elapsed());
        }
    });
}

#[test]
fn client_that_sends_instead_of_closing_is_timed_out() {
    run(async || {
        for version in [Version::Hybi13, Version::Hixie76] {
            let (server, client) = tcp().await;
            let mut client = client.into_std().unwrap();
            client.set_nonblocking(false).unwrap();
            // On a separate thread, so that there is always more to read.
            let flood = std::thread::spawn(move || {
                client.write_all(&Handshake::of(version).bytes()).unwrap();
                let text = texts_of(version, &[&"x".repeat(100_000)]);
                while client.write_all(&text).is_ok() {}
            });
            let config = Config::server().allow_drafts(true).close_timeout(Duration::from_millis(300));
            let mut socket = accept(server, config).await.unwrap();
            let closed = timeout(Duration::from_secs(3), socket.close(4000.into(), "bye")).await;
            drop(socket);
            // The background drops the transport.
            tokio::task::spawn_blocking(|| flood.join()).await.unwrap().unwrap();
            assert!(closed.is_ok(), "{version}: close goes on beyond its time limit");
        }
    });
}

#[test]
fn send_is_refused_at_once_while_a_close_waits_for_a_client_that_does_not_read() {
    run_paused(async || {
        let config = Config::server().max_output(1000);
        let (mut socket, mut peer) = with_peer(Version::Hybi13, config).await;
        peer.capacity(1024);
        socket.feed("x".repeat(10_000)).await.unwrap();
        assert!(socket.close(4000.into(), "bye").now_or_never().is_none());
        // The output is full, but nothing would be accepted if it were not.
        let sent = timeout(Duration::from_secs(60), socket.send("late")).await;
        assert!(is_closed(sent.expect("an error, and no wait without an end")));
    });
}

#[test]
fn late_answer_within_the_timeout_is_an_orderly_close() {
    run_paused(async || {
        let (mut socket, mut peer) = open(Version::Hybi13).await;
        let client = async {
            peer.expect_close(4000).await;
            sleep(Duration::from_secs(9)).await;
            peer.send_close(4000, "");
            peer.expect_eof().await;
        };
        let (result, ()) = tokio::join!(socket.close(4000.into(), "bye"), client);
        result.unwrap();
        assert_eq!(socket.close_frame().map(|close| close.code), Some(4000.into()));
    });
}

#[test]
fn next_event_returns_a_local_close_when_it_is_complete() {
    run(async || {
        let (mut socket, peer) = open(Version::Hybi13).await;
        assert!(socket.close(4000.into(), "bye").now_or_never().is_none());
        let (event, ()) = tokio::join!(socket.next_event(), expect_close(peer, Version::Hybi13));
        assert_eq!(event.unwrap().unwrap(), Event::Close(CloseFrame { code: 4000.into(), reason: "".into() }));
        assert!(socket.next_event().await.is_none());
    });
}
