//! Based on axum's example "websockets-http2": one task per socket, over HTTP/1.1 and HTTP/2.

use axum::Router;
use axum::extract::State;
use axum::http::Version;
use axum::response::Response;
use axum::routing::any;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tower_websocket::{Message, connect};

use super::ws::{self, WebSocketUpgrade};
use crate::run::run;

async fn handler(ws: WebSocketUpgrade, version: Version, State(lines): State<broadcast::Sender<String>>) -> Response {
    let mut receiver = lines.subscribe();
    ws.on_upgrade(move |mut ws| async move {
        let _ = ws.send(ws::Message::text(format!("{version:?}"))).await;
        loop {
            tokio::select! {
                received = ws.recv() => match received {
                    Some(Ok(ws::Message::Text(text))) => drop(lines.send(text.to_string())),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => break,
                },
                line = receiver.recv() => {
                    if let Ok(line) = line && ws.send(ws::Message::Text(line.into())).await.is_err() {
                        break;
                    }
                }
            }
        }
    })
}

#[test]
fn broadcast_reaches_sockets_of_http1_and_http2() {
    run(async || {
        let app = Router::new().route("/ws", any(handler)).with_state(broadcast::channel(16).0);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let (mut one, _) = connect(url.as_str()).await.unwrap();
        assert_eq!(one.recv().await.unwrap().unwrap(), Message::text("HTTP/1.1"));
        let (mut two, _) = connect(url.as_str()).http2().await.unwrap();
        assert_eq!(two.recv().await.unwrap().unwrap(), Message::text("HTTP/2.0"));
        for number in 0..20 {
            let text = Message::text(format!("line {number}"));
            let sender = if number % 2 == 0 { &mut one } else { &mut two };
            sender.send(text.clone()).await.unwrap();
            for socket in [&mut one, &mut two] {
                assert_eq!(socket.recv().await.unwrap().unwrap(), text);
            }
        }
    });
}
