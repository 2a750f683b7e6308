//! The scripted peer against both sides of this project.

use std::time::Duration;

use tower_websocket::test::{self, Frame, Handshake, Peer};
use tower_websocket::{CloseCode, CloseFrame, Config, Event, Message, ServerConfig, Version};
use websocket_tests::wire::{HYBI, VERSIONS};

const DRAFTS: fn() -> ServerConfig = || Config::server().allow_drafts(true);

#[tokio::test]
async fn peer_talks_to_a_server_in_every_version() {
    for version in VERSIONS {
        let handshake = Handshake::new("/chat?room=7").version(version);
        let (mut socket, mut peer) = test::server(handshake, DRAFTS()).await;
        assert_eq!(socket.version(), version);
        assert_eq!(socket.request().unwrap().uri(), "/chat?room=7");
        let echo = tokio::spawn(async move {
            while let Some(message) = socket.recv().await {
                socket.send(message.unwrap()).await.unwrap();
            }
            socket.close_frame().cloned()
        });
        for text in ["", "hello", "ünïcode", &"x".repeat(70_000)] {
            peer.send_text(text);
            peer.expect_text(text).await;
        }
        peer.close(4000, "done").await;
        let close = echo.await.unwrap().unwrap();
        if !version.is_hixie() {
            assert_eq!(close, CloseFrame { code: 4000.into(), reason: "done".into() });
        }
    }
}

#[tokio::test]
async fn peer_receives_the_server_close_in_every_version() {
    for version in VERSIONS {
        let (mut socket, mut peer) = test::server(Handshake::new("/").version(version), DRAFTS()).await;
        let closing = tokio::spawn(async move { socket.close(4000.into(), "bye").await });
        let reason = peer.expect_close(4000).await;
        assert_eq!(reason, if version.is_hixie() { "" } else { "bye" });
        peer.send_close(4000, "");
        peer.expect_eof().await;
        closing.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn peer_sends_and_receives_all_other_frames() {
    for version in HYBI {
        let (mut socket, mut peer) = test::server(Handshake::new("/").version(version), DRAFTS()).await;
        for length in [0, 125, 126, 127, 65_535, 65_536] {
            peer.send_binary(vec![7; length]);
            assert_eq!(socket.recv().await.unwrap().unwrap(), Message::binary(vec![7; length]));
            socket.send(vec![8; length]).await.unwrap();
            peer.expect_binary(vec![8; length]).await;
        }
        peer.send_ping("ping");
        peer.send_pong("pong");
        assert_eq!(socket.next_event().await.unwrap().unwrap(), Event::Ping("ping".into()));
        assert_eq!(socket.next_event().await.unwrap().unwrap(), Event::Pong("pong".into()));
        socket.send_ping("other ping").await.unwrap();
        peer.expect_pong("ping").await;
        peer.expect_ping("other ping").await;
        socket.send("text").await.unwrap();
        assert_eq!(peer.next_frame().await, Frame::Text("text".into()));
        peer.send_close(CloseCode::NO_STATUS, "");
        assert!(socket.recv().await.is_none());
        peer.expect_close(CloseCode::NO_STATUS).await;
        peer.expect_eof().await;
    }
}

#[tokio::test]
async fn peer_acts_as_a_server() {
    let (mut socket, mut peer) = test::client(Config::client()).await;
    for length in [0, 125, 126, 65_535, 65_536] {
        let text = "x".repeat(length);
        socket.send(text.clone()).await.unwrap();
        peer.expect_text(&text).await;
        peer.send_text(&text);
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text(text));
    }
    let receiving = tokio::spawn(async move {
        assert!(socket.recv().await.is_none());
        socket.close_frame().cloned().unwrap()
    });
    peer.close(1001, "later").await;
    assert_eq!(receiving.await.unwrap(), CloseFrame { code: CloseCode::GOING_AWAY, reason: "later".into() });
}

#[tokio::test]
async fn two_peers_talk_to_each_other() {
    let (io, other) = test::transport();
    let (mut client, mut server) = (Peer::new(io), Peer::new(other));
    let handshake = Handshake::new("/chat").protocols("a, b").header("Cookie", "user=7").header("Host", "example.org");
    let (response, request) = tokio::join!(client.open(handshake), server.accept(Some("b")));
    assert_eq!(response.headers()["sec-websocket-protocol"], "b");
    assert_eq!(
        (request.headers()["cookie"].as_bytes(), request.headers().get_all("host").iter().count()),
        (&b"user=7"[..], 1)
    );
    client.send_text("to the server");
    server.expect_text("to the server").await;
    server.send_text("to the client");
    client.expect_text("to the client").await;
}

#[tokio::test]
async fn peer_sends_invalid_and_partial_frames() {
    let (mut socket, mut peer) = test::server("/", Config::server()).await;
    let receiving = tokio::spawn(async move {
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("hi"));
        assert!(socket.recv().await.unwrap().is_err());
        socket.recv().await
    });
    peer.send_raw([0x81, 0x82, 0, 0]);
    peer.expect_nothing(Duration::from_millis(1)).await;
    peer.send_raw([0, 0, b'h', b'i']);
    peer.send_raw([0x81, 0x02, b'h', b'i']);
    assert!(!peer.expect_close(1002).await.is_empty());
    peer.send_close(1002, "");
    peer.expect_eof().await;
    assert!(receiving.await.unwrap().is_none());
}

#[tokio::test]
#[should_panic = "hixie-75 supports only text messages"]
async fn peer_rejects_frames_that_a_draft_does_not_have() {
    let handshake = Handshake::new("/").version(Version::Hixie75);
    test::server(handshake, DRAFTS()).await.1.send_binary("data");
}

#[tokio::test]
#[should_panic = "the server has failed"]
async fn refusing_server_fails_the_test() {
    test::server(Handshake::new("/").version(Version::Hybi8), Config::server()).await;
}

#[tokio::test]
async fn pair_talks_with_extensions_and_protocols() {
    let deflate = || permessage_deflate::PermessageDeflate::new();
    let server = Config::server().protocols(["b", "a"]).extension(deflate()).unwrap();
    let client = Config::client().protocols(["a"]).extension(deflate()).unwrap();
    let (mut server, mut client) = test::pair(server, client).await;
    assert_eq!((server.protocol(), client.protocol()), (Some("a"), Some("a")));
    let text = "again and ".repeat(1000);
    server.send(text.clone()).await.unwrap();
    assert_eq!(client.recv().await.unwrap().unwrap(), Message::text(text));
    let (closed, end) = tokio::join!(client.close(CloseCode::NORMAL, "done"), server.recv());
    closed.unwrap();
    assert!(end.is_none());
}

#[tokio::test]
#[should_panic = "the client has failed"]
async fn incompatible_pair_fails_the_test() {
    let client = Config::client().protocols(["a"]).max_head_size(10);
    test::pair(Config::server(), client).await;
}
