//! Cancelled waits of a shutdown, and cancelled handshakes that take part in one.

use std::time::Duration;

use tower_websocket::test::{Peer, transport};
use tower_websocket::{Config, Message, Shutdown, Version, accept, connect};
use websocket_tests::cancel::polled;
use websocket_tests::wire::Handshake;

use crate::pair::with_peer;
use crate::run::run_paused;

#[test]
fn cancelled_wait_ends_nothing_and_the_next_one_continues() {
    run_paused(async || {
        let shutdown = Shutdown::new();
        let (mut socket, mut peer) = with_peer(Version::Hybi13, Config::server()).await;
        socket.join_shutdown(&shutdown);
        let limit = Duration::from_secs(5);
        for times in 1..=5 {
            assert!(polled(times, shutdown.wait(limit)).is_none());
        }
        // No socket was cut.
        peer.send_text("hello");
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("hello"));
        let waiting = tokio::spawn(async move { shutdown.wait(limit).await });
        tokio::task::yield_now().await;
        drop(socket);
        assert_eq!(waiting.await.unwrap(), 0);
    });
}

#[test]
fn cancelled_begin_over_leaves_remaining_sockets_open() {
    run_paused(async || {
        let shutdown = Shutdown::new();
        let mut pairs = Vec::new();
        for _ in 0..50 {
            let (mut socket, peer) = with_peer(Version::Hybi13, Config::server()).await;
            socket.join_shutdown(&shutdown);
            pairs.push((socket, peer));
        }
        let spread = shutdown.begin_over(Duration::from_secs(60), 1001.into(), "");
        assert!(tokio::time::timeout(Duration::from_secs(30), spread).await.is_err());
        let mut open = 0;
        for (socket, _) in &pairs {
            open += usize::from(socket.sender().try_send("still there").is_ok());
        }
        assert!((1..50).contains(&open), "{open} of 50");
        // No new sockets are accepted, and open ones can be cut.
        assert!(shutdown.has_begun());
        assert_eq!(shutdown.wait(Duration::ZERO).await, 50);
    });
}

#[test]
fn cancelled_handshake_ends_the_connection_and_leaves_the_shutdown() {
    run_paused(async || {
        for times in 1..=3 {
            let shutdown = Shutdown::new();
            let (io, other) = transport();
            let mut peer = Peer::new(other);
            peer.capacity(10);
            peer.send_raw(Handshake::of(Version::Hybi13).bytes());
            assert!(polled(times, accept(io, Config::server()).shutdown(&shutdown).into_future()).is_none());
            assert_eq!(shutdown.open_sockets(), 0);
            assert!(peer.rest().await.len() <= 10);
            let (io, other) = transport();
            let mut peer = Peer::new(other);
            let connecting = connect("ws://example.com/").over(io).shutdown(&shutdown);
            assert!(polled(times, connecting.into_future()).is_none());
            assert_eq!(shutdown.open_sockets(), 0);
            assert!(peer.rest().await.starts_with(b"GET / HTTP/1.1\r\n"));
        }
    });
}
