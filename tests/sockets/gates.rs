//! Handshakes that [`accept`] and [`connect`] refuse, and their sockets in a shutdown.

use std::time::Duration;

use tower_websocket::client::ConnectError;
use tower_websocket::error::ProtocolError;
use tower_websocket::server::{Accept, AcceptError, HandshakeError};
use tower_websocket::test::{self, Handshake, Peer, Transport};
use tower_websocket::{CloseCode, Config, OriginGuard, Shutdown, Version, WebSocket, accept, connect};
use websocket_tests::wire::{Answer, Handshake as Head, VERSIONS};

use crate::run::run_paused;

/// Returns the refusal of a handshake and the complete response.
async fn refused(version: Version, gate: impl FnOnce(Accept<Transport>) -> Accept<Transport>) -> (Answer, String) {
    let (io, other) = test::transport();
    let mut peer = Peer::new(other);
    peer.send_raw(Head::of(version).bytes());
    let result = gate(accept(io, Config::server().allow_drafts(true))).await;
    let written = peer.rest().await;
    let (answer, length) = Answer::read(&written).expect("an answer");
    let Err(AcceptError::Refused(ProtocolError::Handshake(error))) = result else { panic!("{version}: {result:?}") };
    assert!(matches!(*error, HandshakeError::Refused(status) if status == answer.status), "{error:?}");
    let body = String::from_utf8(written[length..].to_vec()).unwrap();
    assert_eq!(answer.all("Content-Length"), [body.len().to_string()]);
    assert_eq!(answer.all("Connection"), ["close"]);
    (answer, body)
}

async fn accepted(gate: impl FnOnce(Accept<Transport>) -> Accept<Transport>) -> (WebSocket<Transport>, Peer) {
    let (io, other) = test::transport();
    let mut peer = Peer::new(other);
    let accepting = gate(accept(io, Config::server())).into_future();
    let (socket, _) = tokio::join!(accepting, peer.open("/"));
    (socket.unwrap(), peer)
}

#[test]
fn shutdown_refuses_handshakes_with_503() {
    run_paused(async || {
        let shutdown = Shutdown::new();
        let (mut socket, mut peer) = accepted(|accept| accept.shutdown(&shutdown)).await;
        assert_eq!(shutdown.open_sockets(), 1);
        shutdown.begin(CloseCode::GOING_AWAY, "down").unwrap();
        for version in VERSIONS {
            let (answer, body) = refused(version, |accept| accept.shutdown(&shutdown)).await;
            assert_eq!((answer.status, body.as_str()), (503, "server is shutting down\n"), "{version}");
        }
        // Refused handshakes are not waited for.
        assert_eq!(shutdown.open_sockets(), 1);
        assert_eq!(peer.expect_close(1001).await, "down");
        peer.send_close(1001, "");
        assert!(socket.recv().await.is_none());
        drop(socket);
        assert_eq!(shutdown.wait(Duration::from_secs(5)).await, 0);
    });
}

#[test]
fn foreign_origin_is_refused_with_403_and_the_reason() {
    run_paused(async || {
        for version in VERSIONS {
            let guard = OriginGuard::new().allow("https://elsewhere.example").unwrap();
            // The origin in the examples is that of their host.
            let (io, other) = test::transport();
            let mut peer = Peer::new(other);
            let name =
                if matches!(version, Version::Hybi7 | Version::Hybi8) { "Sec-WebSocket-Origin" } else { "Origin" };
            peer.send_raw(Head::of(version).set(name, "http://evil.example").bytes());
            let result = accept(io, Config::server().allow_drafts(true)).check_origin(&guard).await;
            assert!(matches!(result, Err(AcceptError::Refused(_))), "{version}: {result:?}");
            let written = peer.rest().await;
            let (answer, length) = Answer::read(&written).unwrap();
            assert_eq!(answer.status, 403, "{version}");
            let body = String::from_utf8(written[length..].to_vec()).unwrap();
            assert!(body.to_lowercase().contains("origin") && body.lines().count() == 1, "{body:?}");
            // Reveals nothing about the server.
            assert!(!body.contains("elsewhere"), "{body:?}");
        }
        let guard = OriginGuard::new();
        let (_socket, _peer) = accepted(|accept| accept.check_origin(&guard)).await;
    });
}

#[test]
fn shutdown_during_a_handshake_closes_the_resulting_socket() {
    run_paused(async || {
        let shutdown = Shutdown::new();
        let (io, other) = test::transport();
        let mut peer = Peer::new(other);
        // The response cannot be written yet.
        peer.capacity(1);
        let handshake = Head::of(Version::Hybi13).bytes();
        peer.send_raw(&handshake);
        let accepting = tokio::spawn(accept(io, Config::server()).shutdown(&shutdown).into_future());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(shutdown.open_sockets(), 1);
        shutdown.begin(CloseCode::GOING_AWAY, "down").unwrap();
        peer.capacity(1000);
        let mut socket = accepting.await.unwrap().unwrap();
        assert!(socket.close_cause().is_some_and(|cause| cause.kind() == "local"));
        peer.send_close(1001, "");
        assert!(socket.recv().await.is_none());
        drop(socket);
        assert_eq!(shutdown.wait(Duration::from_secs(5)).await, 0);
    });
}

#[test]
fn failed_handshake_is_not_waited_for() {
    run_paused(async || {
        let shutdown = Shutdown::new();
        let (io, other) = test::transport();
        drop(other);
        assert!(accept(io, Config::server()).shutdown(&shutdown).await.is_err());
        let (io, other) = test::transport();
        let mut peer = Peer::new(other);
        peer.send_raw(Head::hybi("99").bytes());
        assert!(accept(io, Config::server()).shutdown(&shutdown).await.is_err());
        assert_eq!(shutdown.open_sockets(), 0);
    });
}

#[test]
fn shutdown_prevents_clients_from_connecting() {
    run_paused(async || {
        let shutdown = Shutdown::new();
        let (io, other) = test::transport();
        let mut peer = Peer::new(other);
        let connecting = tokio::spawn(connect("ws://example.com/").over(io).shutdown(&shutdown).into_future());
        peer.accept(None).await;
        let (mut socket, _) = connecting.await.unwrap().unwrap();
        assert_eq!(shutdown.open_sockets(), 1);
        shutdown.begin(CloseCode::GOING_AWAY, "down").unwrap();
        assert_eq!(peer.expect_close(1001).await, "down");
        peer.send_close(1001, "");
        peer.end();
        assert!(socket.recv().await.is_none());
        drop(socket);
        assert_eq!(shutdown.wait(Duration::from_secs(5)).await, 0);

        let (io, other) = test::transport();
        let mut peer = Peer::new(other);
        let error = connect("ws://example.com/").over(io).shutdown(&shutdown).await.unwrap_err();
        assert!(matches!(error, ConnectError::ShuttingDown), "{error:?}");
        // No request is sent.
        peer.expect_eof().await;
        assert_eq!(shutdown.open_sockets(), 0);
    });
}

#[test]
fn shutdown_during_a_connect_closes_the_resulting_socket() {
    run_paused(async || {
        let shutdown = Shutdown::new();
        let (io, other) = test::transport();
        let mut peer = Peer::new(other);
        let connecting = tokio::spawn(connect("ws://example.com/").over(io).shutdown(&shutdown).into_future());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(shutdown.open_sockets(), 1);
        shutdown.begin(CloseCode::GOING_AWAY, "down").unwrap();
        peer.accept(None).await;
        let (socket, _) = connecting.await.unwrap().unwrap();
        assert_eq!(peer.expect_close(1001).await, "down");
        drop(socket);
        assert_eq!(shutdown.wait(Duration::from_secs(5)).await, 0);
    });
}

#[test]
fn plain_http_is_not_checked() {
    run_paused(async || {
        let shutdown = Shutdown::new();
        shutdown.begin(CloseCode::GOING_AWAY, "").unwrap();
        let (io, other) = test::transport();
        let mut peer = Peer::new(other);
        peer.send_raw("GET /health HTTP/1.1\r\nHost: example.com\r\nOrigin: http://evil.example\r\n\r\n");
        let result = accept(io, Config::server()).shutdown(&shutdown).check_origin(&OriginGuard::new()).await;
        let Err(AcceptError::PlainHttp(plain)) = result else { panic!("{result:?}") };
        assert_eq!(plain.request.uri(), "/health");
    });
}

#[test]
fn subprotocols_and_checks_combine() {
    run_paused(async || {
        let shutdown = Shutdown::new();
        let (io, other) = test::transport();
        let mut peer = Peer::new(other);
        let accept = accept(io, Config::server().protocols(["chat"])).shutdown(&shutdown);
        let handshake = Handshake::new("/").protocols("chat");
        let (socket, _) = tokio::join!(accept.check_origin(&OriginGuard::new()).into_future(), peer.open(handshake));
        assert_eq!(socket.unwrap().protocol(), Some("chat"));
    });
}
