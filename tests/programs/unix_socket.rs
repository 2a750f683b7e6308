//! WebSockets over a Unix socket: the server with tungstenite's client, and the client with axum's
//! server.

use std::env;
use std::path::PathBuf;
use std::process;

use axum::Router;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::routing::any;
use futures_util::{SinkExt, StreamExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use crate::program::{Server, run as run_program};
use crate::run::run;

/// A path that is removed on drop.
struct SocketPath(PathBuf);

impl SocketPath {
    fn new(name: &str) -> Self {
        Self(env::temp_dir().join(format!("websocket-{name}-{}.sock", process::id())))
    }

    fn as_str(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn server_on_a_unix_socket_talks_to_tungstenite() {
    run(async || {
        let path = SocketPath::new("server");
        // The second server replaces the socket file that the killed first one has left.
        for _ in 0..2 {
            let server = Server::start("unix_socket", &["serve", path.as_str()]).await;
            let stream = UnixStream::connect(&path.0).await.unwrap();
            let (mut client, _) = client_async("ws://localhost/", stream).await.unwrap();
            for message in [Message::text("hello"), Message::binary(vec![7; 1_000_000])] {
                client.send(message.clone()).await.unwrap();
                assert_eq!(client.next().await.unwrap().unwrap(), message);
            }
            client.close(None).await.unwrap();
            assert!(matches!(client.next().await, Some(Ok(Message::Close(None)))));
            // A socket in use is not replaced.
            let second = run_program("unix_socket", &["serve", path.as_str()]).await;
            assert_eq!(second.status.code(), Some(1), "{second:?}");
            server.kill().await;
        }
    });
}

#[test]
fn client_on_a_unix_socket_talks_to_axum() {
    run(async || {
        let path = SocketPath::new("client");
        let listener = UnixListener::bind(&path.0).unwrap();
        let handler = async |ws: WebSocketUpgrade| {
            ws.on_upgrade(async |mut socket: WebSocket| {
                while let Some(Ok(message)) = socket.recv().await {
                    let _ = socket.send(message).await;
                }
            })
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(any(handler))).await });
        let output = run_program("unix_socket", &["send", path.as_str(), "hello", "there"]).await;
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stdout, b"hello\nthere\n");
    });
}
