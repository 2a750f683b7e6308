//! Messages received and sent with `recv` and `send`.

use axum_websocket::ws::{CloseFrame, Message, WebSocket, close_code};
use http::HeaderValue;
use tower_websocket::test::{self, Peer};
use tower_websocket::{CloseCause, Config, Error, SendError, ServerConfig};

use crate::run::run_paused;

pub(crate) async fn open() -> (WebSocket, Peer) {
    open_with(Config::server()).await
}

pub(crate) async fn open_with(config: ServerConfig) -> (WebSocket, Peer) {
    let (socket, peer) = test::server("/", config).await;
    (socket.into(), peer)
}

pub(crate) fn close(code: u16, reason: &str) -> Message {
    Message::Close(Some(CloseFrame { code, reason: reason.into() }))
}

/// Returns the error of a failed send.
pub(crate) fn send_error(result: Result<(), axum_core::Error>) -> SendError {
    let error = result.expect_err("an error").into_inner();
    match *error.downcast::<Error>().expect("an error of tower-websocket") {
        Error::Send(error) => error,
        error => panic!("{error:?}"),
    }
}

#[test]
fn recv_returns_messages_of_every_kind() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        peer.send_text("text");
        peer.send_binary([1, 2]);
        peer.send_ping("ping");
        peer.send_pong("pong");
        peer.send_close(4000, "bye");
        let expected = [
            Message::text("text"),
            Message::binary(vec![1, 2]),
            Message::Ping("ping".into()),
            Message::Pong("pong".into()),
            close(4000, "bye"),
        ];
        for expected in expected {
            assert_eq!(socket.recv().await.unwrap().unwrap(), expected);
        }
        for _ in 0..2 {
            assert!(socket.recv().await.is_none());
        }
        assert!(matches!(socket.native().close_cause(), Some(CloseCause::Remote(_))));
        // The ping and the close frame were answered.
        peer.expect_pong("ping").await;
        peer.expect_close(4000).await;
        peer.expect_eof().await;
    });
}

#[test]
fn recv_returns_a_close_without_code_as_none() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        peer.send_close(1005, "");
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::Close(None));
        assert!(socket.recv().await.is_none());
        peer.expect_close(1005).await;
    });
}

#[test]
fn send_sends_messages_of_every_kind() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        for message in [
            Message::text("text"),
            Message::binary(vec![1, 2]),
            Message::Ping("ping".into()),
            Message::Pong("pong".into()),
            close(close_code::AWAY, "bye"),
        ] {
            socket.send(message).await.unwrap();
        }
        peer.expect_text("text").await;
        peer.expect_binary([1, 2]).await;
        peer.expect_ping("ping").await;
        peer.expect_pong("pong").await;
        assert_eq!(peer.expect_close(1001).await, "bye");
        // Messages that the peer sends afterwards are received.
        peer.send_text("still");
        peer.send_close(1001, "too");
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("still"));
        assert_eq!(socket.recv().await.unwrap().unwrap(), close(1001, "too"));
        assert!(socket.recv().await.is_none());
        peer.expect_eof().await;
    });
}

#[test]
fn send_refuses_what_no_peer_accepts() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        for code in [close_code::ABNORMAL, 999, 1015, 5000] {
            assert_eq!(send_error(socket.send(close(code, "")).await), SendError::InvalidCloseCode(code.into()));
        }
        assert_eq!(send_error(socket.send(close(1000, &"x".repeat(124))).await), SendError::ReasonTooLong);
        assert_eq!(send_error(socket.send(Message::Ping(vec![0; 126].into())).await), SendError::ControlTooLong);
        assert_eq!(send_error(socket.send(Message::Pong(vec![0; 126].into())).await), SendError::ControlTooLong);
        socket.send("unharmed".into()).await.unwrap();
        peer.expect_text("unharmed").await;
        // 1005 without a reason is a close frame without a code.
        socket.send(close(close_code::STATUS, "")).await.unwrap();
        peer.expect_close(1005).await;
    });
}

#[test]
fn send_refuses_everything_behind_a_close() {
    run_paused(async || {
        let messages = ["late".into(), Message::Ping("late".into()), Message::Pong("late".into()), close(1000, "late")];
        let (mut socket, mut peer) = open().await;
        socket.send(Message::Close(None)).await.unwrap();
        for message in messages.clone() {
            assert_eq!(send_error(socket.send(message).await), SendError::Closed);
        }
        peer.expect_close(1005).await;
        peer.send_close(1005, "");
        peer.expect_eof().await;

        let (mut socket, mut peer) = open().await;
        peer.send_close(1000, "");
        assert_eq!(socket.recv().await.unwrap().unwrap(), close(1000, ""));
        for message in messages {
            assert_eq!(send_error(socket.send(message).await), SendError::Closed);
        }
    });
}

#[test]
fn pong_by_hand_does_no_harm() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        for number in 0..10 {
            peer.send_ping(format!("{number}"));
            let Message::Ping(data) = socket.recv().await.unwrap().unwrap() else { panic!("no ping") };
            socket.send(Message::Pong(data)).await.unwrap();
            for _ in 0..2 {
                peer.expect_pong(format!("{number}")).await;
            }
        }
    });
}

#[test]
fn protocol_is_a_header_value() {
    run_paused(async || {
        let config = Config::server().protocols(["chat"]);
        let (socket, _peer) = test::server(test::Handshake::new("/").protocols("chat"), config).await;
        let socket = WebSocket::from(socket);
        assert_eq!(socket.protocol(), Some(&HeaderValue::from_static("chat")));
        assert!(!format!("{socket:?}").contains("chat"));
        assert_eq!(open().await.0.protocol(), None);
    });
}

#[test]
fn native_socket_and_back() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        let sender = socket.native_mut().sender();
        sender.send("by a sender").await.unwrap();
        peer.expect_text("by a sender").await;
        let mut native = socket.into_native();
        native.send("native").await.unwrap();
        peer.expect_text("native").await;
        let mut socket = WebSocket::from(native);
        socket.send("again".into()).await.unwrap();
        peer.expect_text("again").await;
        let native: tower_websocket::WebSocket = socket.into();
        drop(native);
        peer.expect_eof().await;
    });
}
