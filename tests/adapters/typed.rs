//! Sockets of values.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::error::Error as _;
use std::time::Duration;

use axum::Router;
use axum::extract::ws;
use axum::routing::any;
use futures_util::{FutureExt, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tower_websocket::test::{self, Peer};
use tower_websocket::typed::{
    Decode, DecodeError, Encode, EncodeError, Json, JsonSocket, TypedError, TypedSender, TypedSocket,
};
use tower_websocket::{CloseCode, Config, Error, Message, ServerConfig, connect};

use crate::run::{run, run_paused};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Command {
    Join { room: String },
    Leave,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Joined {
    members: u32,
}

async fn server(config: ServerConfig) -> (JsonSocket<Command, Joined>, Peer) {
    let (socket, peer) = test::server("/", config).await;
    (TypedSocket::new(socket, Json), peer)
}

#[test]
fn json_goes_both_ways() {
    run_paused(async || {
        let (mut socket, mut peer) = server(Config::server()).await;
        peer.send_text(r#"{"type": "join", "room": "\u00e9"}"#);
        peer.send_text(r#"{"type":"leave"}"#);
        assert_eq!(socket.recv().await.unwrap().unwrap(), Command::Join { room: "é".into() });
        assert_eq!(socket.next().await.unwrap().unwrap(), Command::Leave);
        socket.send(&Joined { members: 2 }).await.unwrap();
        peer.expect_text(r#"{"members":2}"#).await;
        let sender = socket.sender();
        tokio::spawn(async move { sender.clone().send(&Joined { members: 3 }).await.unwrap() });
        peer.expect_text(r#"{"members":3}"#).await;
        peer.send_close(1000, "");
        assert!(socket.recv().await.is_none());
        assert_eq!(socket.get_ref().close_frame().unwrap().code, CloseCode::NORMAL);
    });
}

#[test]
fn message_that_is_not_json_of_the_type_closes_with_1007() {
    run_paused(async || {
        let nested = "[".repeat(100_000);
        for text in ["", "{", "nonsense", r#"{"type":"fly"}"#, r#"{"type":"join"}"#, r#"{"type":"leave"} x"#, &nested] {
            let (mut socket, mut peer) = server(Config::server()).await;
            peer.send_text(text);
            peer.send_text(r#"{"type":"leave"}"#);
            let error = socket.recv().await.unwrap().unwrap_err();
            let TypedError::Decode(error) = error else { panic!("{error:?}") };
            assert_eq!(error.close_code(), CloseCode::INVALID_PAYLOAD, "{text}");
            assert!(error.source().unwrap().is::<serde_json::Error>());
            // The close frame is sent without another receive, and repeats nothing of the message.
            assert_eq!(peer.expect_close(1007).await, "invalid message");
            assert!(socket.recv().now_or_never().is_none(), "what follows is dropped");
            peer.send_close(1007, "");
            assert!(socket.recv().await.is_none());
            assert!(matches!(socket.send(&Joined { members: 0 }).await, Err(TypedError::Socket(Error::Send(_)))));
        }
    });
}

#[test]
fn binary_message_closes_with_1003() {
    run_paused(async || {
        let (mut socket, mut peer) = server(Config::server()).await;
        peer.send_binary(r#"{"type":"leave"}"#);
        assert!(matches!(socket.recv().await, Some(Err(TypedError::Decode(_)))));
        peer.expect_close(1003).await;
    });
}

#[test]
fn message_over_the_limit_closes_with_1009() {
    run_paused(async || {
        let (mut socket, mut peer) = server(Config::server().max_message_size(20)).await;
        peer.send_text(r#"{"type":"join","room":"x"}"#);
        assert!(matches!(socket.recv().await, Some(Err(TypedError::Socket(Error::Protocol(_))))));
        peer.expect_close(1009).await;
    });
}

#[test]
fn value_without_an_encoding_is_not_sent() {
    run_paused(async || {
        let (socket, mut peer) = test::server("/", Config::server()).await;
        let mut socket: JsonSocket<(), BTreeMap<Vec<u8>, u8>> = TypedSocket::new(socket, Json);
        let error = socket.send(&BTreeMap::from([(vec![1], 2)])).await.unwrap_err();
        assert!(matches!(error, TypedError::Encode(_)), "{error:?}");
        assert!(error.source().unwrap().is::<serde_json::Error>());
        socket.send(&BTreeMap::new()).await.unwrap();
        peer.expect_text("{}").await;
        peer.expect_nothing(Duration::from_secs(1)).await;
    });
}

#[test]
fn recv_is_cancel_safe() {
    run_paused(async || {
        let (mut socket, mut peer) = server(Config::server()).await;
        for _ in 0..3 {
            assert!(socket.recv().now_or_never().is_none());
            peer.send_text(r#"{"type":"leave"}"#);
            assert_eq!(socket.recv().await.unwrap().unwrap(), Command::Leave);
        }
    });
}

#[test]
fn values_need_not_be_sync() {
    run_paused(async || {
        let (socket, mut peer) = test::server("/", Config::server()).await;
        tokio::spawn(async move {
            let mut socket: JsonSocket<(), Cell<u8>> = TypedSocket::new(socket, Json);
            socket.send(&Cell::new(7)).await.unwrap();
            let sender = TypedSender::<_, Cell<u8>>::new(socket.get_ref().sender(), Json);
            sender.send(&Cell::new(8)).await.unwrap();
        });
        peer.expect_text("7").await;
        peer.expect_text("8").await;
    });
}

/// Numbers in decimal; everything else is received as a value as well.
struct Lenient;

impl Encode<u32> for Lenient {
    fn encode(&self, value: &u32) -> Result<Message, EncodeError> {
        if *value == 13 { Err(EncodeError::new("unlucky")) } else { Ok(Message::text(value.to_string())) }
    }
}

impl Decode<Option<u32>> for Lenient {
    fn decode(&self, message: Message) -> Result<Option<u32>, DecodeError> {
        match message.to_text() {
            Ok("stop") => Err(DecodeError::new(CloseCode::from(4000), "stopped")),
            // A code that must not be sent.
            Ok("fail") => Err(DecodeError::new(CloseCode::ABNORMAL, "failed")),
            text => Ok(text.ok().and_then(|text| text.parse().ok())),
        }
    }
}

#[test]
fn codec_of_the_application_decides_what_is_invalid() {
    run_paused(async || {
        for (last, code) in [("stop", 4000), ("fail", 1007)] {
            let (socket, mut peer) = test::server("/", Config::server()).await;
            let mut socket: TypedSocket<_, Option<u32>, u32> = TypedSocket::new(socket, Lenient);
            for (text, value) in [("7", Some(7)), ("x", None), ("8", Some(8))] {
                peer.send_text(text);
                assert_eq!(socket.recv().await.unwrap().unwrap(), value);
            }
            assert!(matches!(socket.send(&13).await, Err(TypedError::Encode(_))));
            socket.send(&14).await.unwrap();
            peer.expect_text("14").await;
            peer.send_text(last);
            assert!(matches!(socket.recv().await, Some(Err(TypedError::Decode(_)))));
            peer.expect_close(code).await;
        }
    });
}

#[test]
fn client_talks_json_to_axum() {
    run(async || {
        let handler = async |ws: ws::WebSocketUpgrade| {
            ws.on_upgrade(async |mut socket: ws::WebSocket| {
                while let Some(Ok(ws::Message::Text(text))) = socket.recv().await {
                    let command: Command = serde_json::from_str(&text).unwrap();
                    let members = if command == Command::Leave { 0 } else { 1 };
                    let answer = serde_json::to_string(&Joined { members }).unwrap();
                    socket.send(ws::Message::text(answer)).await.unwrap();
                }
            })
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(any(handler))).await });
        let (socket, _) = connect(url).await.unwrap();
        let mut socket: JsonSocket<Joined, Command> = TypedSocket::new(socket, Json);
        for (command, members) in [(Command::Join { room: "x".into() }, 1), (Command::Leave, 0)] {
            socket.send(&command).await.unwrap();
            assert_eq!(socket.recv().await.unwrap().unwrap(), Joined { members });
        }
        socket.into_inner().close(CloseCode::NORMAL, "").await.unwrap();
    });
}
