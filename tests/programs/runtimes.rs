//! The driver on runtimes other than tokio, against tungstenite.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::program::Server;
use crate::run::run;

async fn connect(server: &Server) -> TcpStream {
    let address = server.address.strip_prefix("ws://").and_then(|address| address.strip_suffix('/'));
    TcpStream::connect(address.expect("a URL")).await.expect("a connection")
}

/// Echoes, pings and closes, several clients at once.
async fn talk(server: &Server) {
    let client = async || {
        let (mut client, _) = client_async("ws://localhost/", connect(server).await).await.unwrap();
        for message in [Message::text("hello"), Message::binary(vec![7; 1_000_000]), Message::text("")] {
            client.send(message.clone()).await.unwrap();
            assert_eq!(client.next().await.unwrap().unwrap(), message);
        }
        for i in 0..100 {
            client.feed(Message::text(i.to_string())).await.unwrap();
        }
        client.flush().await.unwrap();
        for i in 0..100 {
            assert_eq!(client.next().await.unwrap().unwrap(), Message::text(i.to_string()));
        }
        client.send(Message::Ping("?".into())).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong("?".into()));
        client.close(Some(CloseFrame { code: 4000.into(), reason: "bye".into() })).await.unwrap();
        // The code is echoed, but not the reason.
        let close = CloseFrame { code: 4000.into(), reason: "".into() };
        assert_eq!(client.next().await.unwrap().unwrap(), Message::Close(Some(close)));
        assert!(client.next().await.is_none());
    };
    tokio::join!(client(), client(), client());
}

/// Sends data that is not a handshake.
async fn refuse(server: &Server) {
    let mut stream = connect(server).await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[test]
fn smol_serves_tungstenite() {
    run(async || {
        let server = Server::start("smol_server", &["--addr", "127.0.0.1:0"]).await;
        talk(&server).await;
        refuse(&server).await;
    });
}

#[test]
fn smol_pings_and_drops_silent_clients() {
    run(async || {
        let server = Server::start("smol_server", &["--addr", "127.0.0.1:0", "--ping-interval", "200"]).await;
        let (mut client, _) = client_async("ws://localhost/", connect(&server).await).await.unwrap();
        // A client that answers is pinged repeatedly.
        for _ in 0..3 {
            assert!(matches!(client.next().await.unwrap().unwrap(), Message::Ping(_)));
        }
        // A client that does not answer is dropped.
        let mut stream = client.into_inner();
        let dropped = timeout(Duration::from_secs(10), stream.read_to_end(&mut Vec::new())).await;
        dropped.expect("in time").unwrap();
    });
}

#[test]
fn compio_serves_tungstenite() {
    run(async || {
        let server = Server::start("compio_server", &["--addr", "127.0.0.1:0"]).await;
        talk(&server).await;
        refuse(&server).await;
    });
}
