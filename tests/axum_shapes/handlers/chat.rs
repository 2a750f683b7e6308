//! Based on axum's example "chat": two tasks per socket, and a broadcast channel.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::broadcast;
use tower_websocket::test;

use super::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use crate::run::run_paused;

struct Room {
    names: Mutex<HashSet<String>>,
    lines: broadcast::Sender<String>,
}

async fn handler(ws: WebSocketUpgrade, State(room): State<Arc<Room>>) -> impl IntoResponse {
    ws.on_upgrade(|socket| chat(socket, room))
}

async fn chat(socket: WebSocket, room: Arc<Room>) {
    let (mut sink, mut stream) = socket.split();
    let mut name = String::new();
    while let Some(Ok(message)) = stream.next().await {
        if let Message::Text(text) = message {
            if !room.names.lock().unwrap().insert(text.to_string()) {
                let _ = sink.send(Message::Text(Utf8Bytes::from_static("this name is taken"))).await;
                return;
            }
            name = text.to_string();
            break;
        }
    }
    let mut lines = room.lines.subscribe();
    let _ = room.lines.send(format!("{name} joined"));
    let mut sending = tokio::spawn(async move {
        while let Ok(line) = lines.recv().await {
            if sink.send(Message::text(line)).await.is_err() {
                break;
            }
        }
    });
    let mut receiving = tokio::spawn({
        let (room, name) = (room.clone(), name.clone());
        async move {
            while let Some(Ok(Message::Text(text))) = stream.next().await {
                let _ = room.lines.send(format!("{name}: {text}"));
            }
        }
    });
    tokio::select! {
        _ = &mut sending => receiving.abort(),
        _ = &mut receiving => sending.abort(),
    }
    let _ = room.lines.send(format!("{name} left"));
    room.names.lock().unwrap().remove(&name);
}

fn app() -> Router {
    let room = Room { names: Mutex::default(), lines: broadcast::channel(100).0 };
    Router::new().route("/chat", get(handler)).with_state(Arc::new(room))
}

#[test]
fn chat_tells_everyone_what_each_says() {
    run_paused(async || {
        let app = app();
        let mut ann = test::open(app.clone(), "/chat").await;
        ann.send_text("Ann");
        ann.expect_text("Ann joined").await;
        let mut other = test::open(app.clone(), "/chat").await;
        other.send_text("Ann");
        other.expect_text("this name is taken").await;
        other.expect_eof().await;
        let mut bob = test::open(app, "/chat").await;
        bob.send_text("Bob");
        for peer in [&mut ann, &mut bob] {
            peer.expect_text("Bob joined").await;
        }
        for number in 0..100 {
            bob.send_text(format!("line {number}"));
            for peer in [&mut ann, &mut bob] {
                peer.expect_text(&format!("Bob: line {number}")).await;
            }
        }
        bob.send_close(1000, "");
        ann.expect_text("Bob left").await;
    });
}
