//! Sockets over streams whose handshake was performed elsewhere, with other implementations.

use std::time::Duration;

use axum::Router;
use axum::extract::ws;
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::Request;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message as PeerMessage, Role};
use tokio_tungstenite::{WebSocketStream, client_async};
use tower_websocket::error::Timeout;
use tower_websocket::test::{self, Peer};
use tower_websocket::{CloseCause, CloseCode, CompletedHandshake, Config, Error, Message, WebSocket};
use websocket_tests::wire::{ACCEPT, Frame, Handshake, KEY};

use crate::run::{run, run_paused};
use crate::stacks::axum;

/// Returns a request and the data read after it.
async fn read_head(stream: &mut DuplexStream) -> (String, Vec<u8>) {
    let mut read = Vec::new();
    loop {
        stream.read_buf(&mut read).await.unwrap();
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            return (String::from_utf8(read).unwrap(), rest);
        }
    }
}

fn response(accept: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

async fn echo(mut socket: WebSocket<DuplexStream>) -> Option<CloseCause> {
    while let Some(Ok(message)) = socket.recv().await {
        socket.send(message).await.unwrap();
    }
    socket.close_cause()
}

#[test]
fn raw_server_receives_data_read_after_the_handshake() {
    run(async || {
        let (mut stream, mut client) = duplex(1024);
        let mut request = Handshake::hybi("13").bytes();
        // One complete frame and the start of another.
        request.extend(Frame::text("early").bytes());
        let late = Frame::text("late").bytes();
        request.extend(&late[..3]);
        client.write_all(&request).await.unwrap();
        let (head, leftover) = read_head(&mut stream).await;
        assert!(head.contains(KEY) && !leftover.is_empty());
        stream.write_all(response(ACCEPT).as_bytes()).await.unwrap();
        let mut socket = WebSocket::from_raw(stream, leftover, CompletedHandshake::new(), Config::server());
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("early"));
        client.write_all(&late[3..]).await.unwrap();
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("late"));
        assert!(socket.request().is_none());
    });
}

#[test]
fn raw_server_serves_tungstenite() {
    run(async || {
        let (mut stream, client) = duplex(64 * 1024);
        let server = tokio::spawn(async move {
            let (head, leftover) = read_head(&mut stream).await;
            let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
            let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
            stream.write_all(response(&accept).as_bytes()).await.unwrap();
            let handshake = CompletedHandshake::new().path("/echo");
            echo(WebSocket::from_raw(stream, leftover, handshake, Config::server())).await
        });
        let (mut client, _) = client_async("ws://localhost/echo", client).await.unwrap();
        for message in [PeerMessage::text("hello"), PeerMessage::binary(vec![7; 100_000])] {
            client.send(message.clone()).await.unwrap();
            assert_eq!(client.next().await.unwrap().unwrap(), message);
        }
        client.send(PeerMessage::Ping("?".into())).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), PeerMessage::Pong("?".into()));
        let close = CloseFrame { code: 4000.into(), reason: "bye".into() };
        client.close(Some(close)).await.unwrap();
        assert!(
            matches!(client.next().await, Some(Ok(PeerMessage::Close(Some(close)))) if u16::from(close.code) == 4000)
        );
        assert!(client.next().await.is_none());
        assert!(matches!(server.await.unwrap(), Some(CloseCause::Remote(close)) if close.reason == "bye"));
    });
}

#[test]
fn raw_client_and_raw_tungstenite_talk() {
    run(async || {
        let (client, server) = duplex(64 * 1024);
        let mut client = WebSocket::from_raw(client, "", CompletedHandshake::new(), Config::client());
        let mut server = WebSocketStream::from_raw_socket(server, Role::Server, None).await;
        client.send("up").await.unwrap();
        assert_eq!(server.next().await.unwrap().unwrap(), PeerMessage::text("up"));
        server.send(PeerMessage::text("down")).await.unwrap();
        assert_eq!(client.recv().await.unwrap().unwrap(), Message::text("down"));
        let closing = tokio::spawn(async move { client.close(CloseCode::GOING_AWAY, "bye").await });
        assert!(matches!(server.next().await, Some(Ok(PeerMessage::Close(Some(_))))));
        assert!(server.next().await.is_none());
        drop(server);
        closing.await.unwrap().unwrap();
    });
}

#[test]
fn raw_client_over_an_upgrade_by_hyper_talks_to_axum() {
    async fn handler(ws: ws::WebSocketUpgrade) -> Response {
        ws.protocols(["chat"]).on_upgrade(async |mut socket: ws::WebSocket| {
            while let Some(Ok(message)) = socket.recv().await {
                if socket.send(message).await.is_err() {
                    break;
                }
            }
        })
    }
    run(async || {
        let port = axum(Router::new().fallback(any(handler))).await;
        let stream = TcpStream::connect(port.addr).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        let request = Request::get("/")
            .header("host", "localhost")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", KEY)
            .header("sec-websocket-protocol", "chat")
            .body(Empty::<Bytes>::new())
            .unwrap();
        let mut response = sender.send_request(request).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-accept"], ACCEPT);
        let upgraded = TokioIo::new(hyper::upgrade::on(&mut response).await.unwrap());
        let handshake = CompletedHandshake::new().protocol("chat");
        let mut socket = WebSocket::from_raw(upgraded, "", handshake, Config::client());
        assert_eq!(socket.protocol(), Some("chat"));
        for text in ["hello", "there"] {
            socket.send(text).await.unwrap();
            assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text(text));
        }
        socket.close(CloseCode::NORMAL, "").await.unwrap();
    });
}

#[test]
fn raw_socket_keeps_its_limits_and_timeouts() {
    run_paused(async || {
        let (io, other) = test::transport();
        let mut peer = Peer::new(other);
        let config = Config::server().max_message_size(10);
        let mut socket = WebSocket::from_raw(io, "", CompletedHandshake::new(), config);
        peer.send_text("eleven byte");
        assert!(matches!(socket.recv().await, Some(Err(Error::Protocol(_)))));
        peer.expect_close(1009).await;

        let (io, other) = test::transport();
        let mut peer = Peer::new(other);
        let mut socket = WebSocket::from_raw(io, "", CompletedHandshake::new(), Config::server());
        let begun = tokio::time::Instant::now();
        assert!(socket.recv().await.is_none());
        assert_eq!(socket.close_cause(), Some(CloseCause::Timeout(Timeout::Pong)));
        assert!(begun.elapsed() >= Duration::from_secs(40));
        peer.expect_ping("").await;
    });
}
