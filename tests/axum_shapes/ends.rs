//! The end of a connection as seen by the application.

use std::io::ErrorKind;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use axum::routing::any;
use axum_websocket::ws::{AbnormalEnd, Message, WebSocket, WebSocketUpgrade, close_code};
use futures_util::stream::FusedStream;
use tokio::sync::mpsc::unbounded_channel;
use tower_websocket::error::{ProtocolError, Timeout};
use tower_websocket::{CloseCause, CloseCode, Config, Error, Shutdown, test};

use crate::messages::{close, open, open_with};
use crate::run::run_paused;

/// Returns the error with which a connection ends, and expects nothing after it.
async fn error(socket: &mut WebSocket) -> axum_core::Error {
    let error = socket.recv().await.expect("an error").expect_err("an error");
    assert!(socket.is_terminated());
    for _ in 0..2 {
        assert!(socket.recv().await.is_none());
    }
    error
}

async fn abnormal(socket: &mut WebSocket) -> CloseCause {
    let error = error(socket).await.into_inner();
    error.downcast::<AbnormalEnd>().expect("an abnormal end").cause().clone()
}

#[test]
fn end_without_a_close_is_an_error() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        peer.send_text("last");
        peer.cut();
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("last"));
        assert_eq!(abnormal(&mut socket).await, CloseCause::Ended);

        // Also after this side has closed.
        let (mut socket, mut peer) = open().await;
        socket.send(close(close_code::NORMAL, "")).await.unwrap();
        peer.cut();
        assert!(matches!(abnormal(&mut socket).await, CloseCause::Local(_)));
    });
}

#[test]
fn transport_that_fails_is_an_error() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        peer.reset();
        let error = error(&mut socket).await.into_inner().downcast::<Error>().unwrap();
        assert!(matches!(*error, Error::Io(error) if error.kind() == ErrorKind::ConnectionReset));
    });
}

#[test]
fn protocol_violation_is_an_error_and_the_peer_is_told() {
    run_paused(async || {
        let (mut socket, mut peer) = open_with(Config::server().max_message_size(10)).await;
        peer.send_text("eleven bytes");
        let error = error(&mut socket).await.into_inner().downcast::<Error>().unwrap();
        assert!(matches!(*error, Error::Protocol(ProtocolError::MessageTooBig { .. })), "{error:?}");
        peer.expect_close(1009).await;
        peer.end();
        peer.expect_eof().await;
    });
}

#[test]
fn silent_peer_is_an_error() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        assert_eq!(abnormal(&mut socket).await, CloseCause::Timeout(Timeout::Pong));
        peer.expect_ping("").await;
        peer.expect_eof().await;
    });
}

#[test]
fn close_that_is_not_answered_is_an_error() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        socket.send(Message::Close(None)).await.unwrap();
        assert_eq!(abnormal(&mut socket).await, CloseCause::Timeout(Timeout::Close));
        peer.expect_close(1005).await;
    });
}

#[test]
fn close_is_answered_although_the_handler_returns_at_once() {
    async fn handler(ws: WebSocketUpgrade) -> Response {
        ws.on_upgrade(async |mut socket: WebSocket| while let Some(Ok(Message::Text(_))) = socket.recv().await {})
    }
    run_paused(async || {
        let mut peer = test::open(Router::new().route("/", any(handler)), "/").await;
        peer.send_text("hello");
        peer.close(4000, "bye").await;
    });
}

#[test]
fn shutdown_ends_with_the_close_of_the_peer() {
    run_paused(async || {
        let shutdown = Shutdown::new();
        let (sent, mut received) = unbounded_channel();
        let handler = {
            let shutdown = shutdown.clone();
            async move |ws: WebSocketUpgrade| -> Response {
                ws.into_native().shutdown(&shutdown).on_upgrade(async move |socket| {
                    let mut socket = WebSocket::from(socket);
                    while let Some(Ok(message)) = socket.recv().await {
                        sent.send(message).unwrap();
                    }
                })
            }
        };
        let mut peer = test::open(Router::new().route("/", any(handler)), "/").await;
        peer.send_text("hello");
        assert_eq!(received.recv().await, Some(Message::text("hello")));
        shutdown.begin(CloseCode::GOING_AWAY, "restart").unwrap();
        assert_eq!(peer.expect_close(1001).await, "restart");
        peer.send_close(1001, "");
        assert_eq!(received.recv().await, Some(close(1001, "")));
    });
}

#[test]
fn loop_over_texts_does_not_end_with_a_keepalive_pong() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        let receiving = tokio::spawn(async move {
            let mut texts = Vec::new();
            while let Some(Ok(Message::Text(text))) = socket.recv().await {
                texts.push(text.to_string());
            }
            texts
        });
        for number in 0..10 {
            peer.expect_ping("").await;
            peer.send_pong("");
            peer.send_text(format!("{number}"));
        }
        peer.send_pong("of the application");
        assert_eq!(receiving.await.unwrap().len(), 10);
    });
}

#[test]
fn socket_that_is_dropped_ends_without_a_close() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        socket.send("last".into()).await.unwrap();
        drop(socket);
        peer.expect_text("last").await;
        peer.expect_eof().await;
    });
}

#[test]
fn socket_that_is_dropped_behind_its_close_completes_the_handshake() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        socket.send(close(close_code::POLICY, "go")).await.unwrap();
        drop(socket);
        assert_eq!(peer.expect_close(1008).await, "go");
        peer.send_text("not heard");
        tokio::time::sleep(Duration::from_secs(1)).await;
        peer.send_close(1008, "");
        peer.expect_eof().await;
    });
}
