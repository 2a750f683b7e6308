//! Pings that wait for their pongs, in virtual time.

mod messages;

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tower_websocket::test::Peer;
use tower_websocket::{
    CloseCode, Config, Error, Message, SendError, ServerConfig, Version, WebSocket, WebSocketSender,
};
use websocket_tests::wire::VERSIONS;

use crate::pair::{pinged, with_peer};
use crate::run::run_paused;

const SECOND: Duration = Duration::from_secs(1);

const MILLI: Duration = Duration::from_millis(1);

fn config() -> ServerConfig {
    Config::server().ping_interval(None).pong_timeout(10 * SECOND)
}

async fn open() -> (WebSocket, Peer) {
    with_peer(Version::Hybi13, config()).await
}

/// Starts a ping in a task, and returns its payload once the peer has received it.
async fn start_ping(sender: WebSocketSender, peer: &mut Peer) -> (JoinHandle<Result<Duration, Error>>, Vec<u8>) {
    let ping = tokio::spawn(async move { sender.ping().await });
    (ping, pinged(peer).await)
}

async fn next_texts(socket: &mut WebSocket, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for _ in 0..count {
        texts.push(socket.recv().await.unwrap().unwrap().as_text().unwrap().to_string());
    }
    texts
}

#[test]
fn round_trip_is_measured_from_the_ping_to_its_pong() {
    run_paused(async || {
        for by_sender in [false, true] {
            let (mut socket, mut peer) = open().await;
            let sender = socket.sender();
            let server = tokio::spawn(async move {
                if !by_sender {
                    return socket.ping().await.unwrap();
                }
                let receiving = tokio::spawn(async move { while let Some(Ok(_)) = socket.recv().await {} });
                let time = sender.ping().await.unwrap();
                receiving.abort();
                time
            });
            let data = pinged(&mut peer).await;
            sleep(30 * MILLI).await;
            // None of these is the answer.
            peer.send_pong("");
            peer.send_pong("12345678");
            peer.send_pong(&data[..7]);
            peer.send_pong([&data[..], b"x"].concat());
            peer.send_pong(data.iter().map(|byte| byte ^ 0x80).collect::<Vec<_>>());
            peer.send_text("hello");
            sleep(40 * MILLI).await;
            assert!(!server.is_finished());
            peer.send_pong(&data);
            assert_eq!(server.await.unwrap(), 70 * MILLI, "by a sender: {by_sender}");
        }
    });
}

#[test]
fn pong_answers_the_pings_before_it_and_none_after_it() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        let sender = socket.sender();
        tokio::spawn(async move { while let Some(Ok(_)) = socket.recv().await {} });
        let mut pings = Vec::new();
        let mut data = Vec::new();
        for _ in 0..3 {
            let (ping, payload) = start_ping(sender.clone(), &mut peer).await;
            pings.push(ping);
            data.push(payload);
            sleep(10 * MILLI).await;
        }
        // RFC 6455 §5.5.3: a peer may answer only the latest.
        peer.send_pong(&data[1]);
        let mut pings = pings.into_iter();
        assert_eq!(pings.next().unwrap().await.unwrap().unwrap(), 30 * MILLI);
        assert_eq!(pings.next().unwrap().await.unwrap().unwrap(), 20 * MILLI);
        let last = pings.next().unwrap();
        sleep(5 * MILLI).await;
        assert!(!last.is_finished());
        // A ping that was answered is not answered again.
        peer.send_pong(&data[0]);
        sleep(5 * MILLI).await;
        assert!(!last.is_finished());
        peer.send_pong(&data[2]);
        assert_eq!(last.await.unwrap().unwrap(), 20 * MILLI);
    });
}

#[test]
fn peer_that_does_not_answer_in_time_is_reported_and_the_socket_continues() {
    run_paused(async || {
        for by_sender in [false, true] {
            let (mut socket, mut peer) = open().await;
            let sender = socket.sender();
            let begun = Instant::now();
            if by_sender {
                let receiving = tokio::spawn(async move {
                    let message = socket.recv().await;
                    (socket, message)
                });
                assert!(matches!(sender.ping().await, Err(Error::NoPong)));
                peer.send_text("still here");
                let message;
                (socket, message) = receiving.await.unwrap();
                assert_eq!(message.unwrap().unwrap(), Message::text("still here"));
            } else {
                assert!(matches!(socket.ping().await, Err(Error::NoPong)));
            }
            assert_eq!(begun.elapsed(), 10 * SECOND);
            // Its late pong does not answer another ping.
            let late = pinged(&mut peer).await;
            peer.send_pong(late);
            let server = tokio::spawn(async move { (socket.ping().await.unwrap(), socket) });
            let data = pinged(&mut peer).await;
            sleep(MILLI).await;
            peer.send_pong(data);
            assert_eq!(server.await.unwrap().0, MILLI);
        }
    });
}

#[test]
fn oldest_of_more_than_16_unanswered_pings_is_dropped() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        let sender = socket.sender();
        tokio::spawn(async move { while let Some(Ok(_)) = socket.recv().await {} });
        let mut pings = Vec::new();
        let mut data = Vec::new();
        for _ in 0..17 {
            assert!(!pings.iter().any(JoinHandle::is_finished));
            let (ping, payload) = start_ping(sender.clone(), &mut peer).await;
            pings.push(ping);
            data.push(payload);
        }
        let mut pings = pings.into_iter();
        let begun = Instant::now();
        assert!(matches!(pings.next().unwrap().await.unwrap(), Err(Error::NoPong)));
        assert_eq!(begun.elapsed(), Duration::ZERO);
        peer.send_pong(data.pop().unwrap());
        for ping in pings {
            ping.await.unwrap().unwrap();
        }
    });
}

#[test]
fn cancelled_pings_do_not_displace_others() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        let sender = socket.sender();
        tokio::spawn(async move { while let Some(Ok(_)) = socket.recv().await {} });
        let waiting = tokio::spawn({
            let sender = sender.clone();
            async move { sender.ping().await }
        });
        let data = pinged(&mut peer).await;
        for _ in 0..100 {
            assert!(timeout(MILLI, sender.ping()).await.is_err());
            pinged(&mut peer).await;
        }
        assert!(!waiting.is_finished());
        peer.send_pong(data);
        assert_eq!(waiting.await.unwrap().unwrap(), 100 * MILLI);
    });
}

#[test]
fn hixie_returns_not_supported_at_once() {
    run_paused(async || {
        for version in VERSIONS.into_iter().filter(|version| version.is_hixie()) {
            let (mut socket, mut peer) = with_peer(version, config()).await;
            let begun = Instant::now();
            let is_refused = |error| matches!(error, Err(Error::Send(SendError::NotSupported { .. })));
            assert!(is_refused(socket.ping().await), "{version}");
            assert!(is_refused(socket.sender().ping().await), "{version}");
            assert_eq!(begun.elapsed(), Duration::ZERO);
            peer.send_text("goes on");
            assert_eq!(next_texts(&mut socket, 1).await, ["goes on"]);
        }
    });
}

#[test]
fn ping_on_a_closing_or_closed_connection_is_refused() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        socket.start_close(CloseCode::NORMAL, "").unwrap();
        let is_refused = |error| matches!(error, Err(Error::Send(SendError::Closed)));
        assert!(is_refused(socket.ping().await));
        peer.send_close(1000, "");
        assert!(socket.recv().await.is_none());
        let sender = socket.sender();
        assert!(is_refused(socket.ping().await) && is_refused(sender.ping().await));
        drop(socket);
        assert!(is_refused(sender.ping().await));
    });
}

#[test]
fn dropped_socket_fails_the_pings_of_its_senders_at_once() {
    run_paused(async || {
        let (socket, mut peer) = open().await;
        let (ping, _) = start_ping(socket.sender(), &mut peer).await;
        let begun = Instant::now();
        drop(socket);
        assert!(matches!(ping.await.unwrap(), Err(Error::NoPong)));
        assert_eq!(begun.elapsed(), Duration::ZERO);
    });
}
