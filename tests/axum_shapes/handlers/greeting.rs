//! Based on axum's example "websockets": a socket that pings, receives, is split, and is closed by
//! its sending half.

use std::ops::ControlFlow;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::response::IntoResponse;
use axum::routing::any;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tower_websocket::test;

use super::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use crate::run::run_paused;

type Log = UnboundedSender<String>;

async fn handler(ws: WebSocketUpgrade, log: Log) -> impl IntoResponse {
    ws.on_upgrade(move |socket| greet(socket, log))
}

async fn greet(mut socket: WebSocket, log: Log) {
    if socket.send(Message::Ping(Bytes::from_static(&[1, 2, 3]))).await.is_err() {
        return;
    }
    let Some(Ok(message)) = socket.recv().await else { return };
    if note(message, &log).is_break() {
        return;
    }
    for number in 1..5 {
        if socket.send(Message::Text(format!("greeting {number}").into())).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (mut sink, mut stream) = socket.split();
    let mut sending = tokio::spawn(async move {
        for number in 0..20 {
            if sink.send(Message::text(format!("news {number}"))).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let frame = CloseFrame { code: close_code::NORMAL, reason: Utf8Bytes::from_static("goodbye") };
        let _ = sink.send(Message::Close(Some(frame))).await;
    });
    let mut receiving = tokio::spawn(async move {
        while let Some(Ok(message)) = stream.next().await {
            if note(message, &log).is_break() {
                break;
            }
        }
    });
    tokio::select! {
        _ = &mut sending => receiving.abort(),
        _ = &mut receiving => sending.abort(),
    }
}

fn note(message: Message, log: &Log) -> ControlFlow<()> {
    let (line, flow) = match message {
        Message::Text(text) => (format!("text {text}"), ControlFlow::Continue(())),
        Message::Binary(bytes) => (format!("{} bytes", bytes.len()), ControlFlow::Continue(())),
        Message::Ping(data) => (format!("ping {data:?}"), ControlFlow::Continue(())),
        Message::Pong(data) => (format!("pong {data:?}"), ControlFlow::Continue(())),
        Message::Close(Some(frame)) => (format!("close {} {}", frame.code, frame.reason), ControlFlow::Break(())),
        Message::Close(None) => ("close".into(), ControlFlow::Break(())),
    };
    let _ = log.send(line);
    flow
}

fn app() -> (Router, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let (log, lines) = unbounded_channel();
    (Router::new().route("/ws", any(move |ws| handler(ws, log.clone()))), lines)
}

#[test]
fn greeting_ends_with_the_close_of_the_server() {
    run_paused(async || {
        let (app, mut lines) = app();
        let mut peer = test::open(app, "/ws").await;
        peer.expect_ping([1, 2, 3]).await;
        peer.send_pong([1, 2, 3]);
        for number in 1..5 {
            peer.expect_text(&format!("greeting {number}")).await;
        }
        peer.send_text("hello");
        peer.send_binary([0; 7]);
        peer.send_ping("there?");
        for number in 0..20 {
            peer.expect_text(&format!("news {number}")).await;
            if number == 0 {
                peer.expect_pong("there?").await;
            }
        }
        assert_eq!(peer.expect_close(1000).await, "goodbye");
        peer.send_close(1000, "goodbye");
        peer.expect_eof().await;
        for line in [r"pong b\x01\x02\x03", "text hello", "7 bytes", "ping bthere?"] {
            assert_eq!(lines.recv().await.unwrap().replace('"', ""), line);
        }
    });
}

#[test]
fn greeting_ends_with_the_close_of_the_client() {
    run_paused(async || {
        let (app, mut lines) = app();
        let mut peer = test::open(app, "/ws").await;
        peer.expect_ping([1, 2, 3]).await;
        peer.send_text("hello");
        for number in 1..5 {
            peer.expect_text(&format!("greeting {number}")).await;
        }
        peer.send_close(3001, "enough");
        assert_eq!(lines.recv().await.unwrap(), "text hello");
        assert_eq!(lines.recv().await.unwrap(), "close 3001 enough");
        assert_eq!(lines.recv().await, None);
    });
}
