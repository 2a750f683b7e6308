//! Connections over an existing stream, and data that follows the response.

use bytes::Bytes;
use http::HeaderValue;
#[cfg(unix)]
use tokio::net::UnixStream;
use tower_websocket::{CloseCode, Config, Event, Message, connect, test};
use websocket_tests::wire::Frame;

use crate::peer::{Peer, echo, echoes, sample_config, upgraded};
use crate::run::run;

#[test]
fn memory_works_as_a_stream() {
    run(async || {
        // Smaller than a request, so that it arrives in pieces.
        let (io, server) = tokio::io::duplex(16);
        tokio::spawn(echo(server, Config::server()));
        let (mut socket, _) = connect("ws://example.com").over(io).await.unwrap();
        echoes(&mut socket, &"hello ".repeat(1000)).await;
        socket.close(CloseCode::NORMAL, "").await.unwrap();
    });
}

#[cfg(unix)]
#[test]
fn unix_socket_works_as_a_stream() {
    run(async || {
        let (io, server) = UnixStream::pair().unwrap();
        tokio::spawn(echo(server, Config::server()));
        let (mut socket, _) = connect("ws://localhost").over(io).await.unwrap();
        echoes(&mut socket, "hello").await;
        socket.close(CloseCode::NORMAL, "").await.unwrap();
    });
}

#[test]
fn url_is_only_used_for_the_request() {
    run(async || {
        for (url, host) in [
            ("ws://nowhere.invalid/", "nowhere.invalid"),
            ("ws://nowhere.invalid:80/", "nowhere.invalid"),
            ("ws://nowhere.invalid:443/", "nowhere.invalid:443"),
            // The stream is past any TLS handshake.
            ("wss://nowhere.invalid:443/", "nowhere.invalid"),
        ] {
            let (io, other) = test::transport();
            let mut peer = test::Peer::new(other);
            let (opened, request) = tokio::join!(connect(url).over(io).into_future(), peer.accept(None));
            opened.unwrap();
            assert_eq!((request.uri().path(), &request.headers()["host"]), ("/", &HeaderValue::from_static(host)));
        }
    });
}

#[test]
fn messages_following_the_response_are_received() {
    run(async || {
        let (io, other) = tokio::io::duplex(4096);
        let mut peer = Peer::new(other);
        let server = async {
            peer.head().await;
            let frames = [Frame::text("one"), Frame::ping("two"), Frame::binary("three"), Frame::close(4000, "four")];
            let frames = frames.map(|frame| frame.unmasked().bytes()).concat();
            peer.write([upgraded("").as_bytes(), &frames].concat()).await;
        };
        let client = connect("ws://example.com").config(sample_config()).over(io).into_future();
        let (opened, ()) = tokio::join!(client, server);
        let (mut socket, _) = opened.unwrap();
        let server = async {
            // The pong, then the close frame; then the server may close.
            assert_eq!(peer.bytes(9).await[0], 0x8a);
            assert_eq!(peer.close_code().await, 4000);
            drop(peer);
        };
        let client = async {
            assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("one"));
            assert_eq!(socket.next_event().await.unwrap().unwrap(), Event::Ping(Bytes::from_static(b"two")));
            assert_eq!(socket.recv().await.unwrap().unwrap(), Message::binary("three".as_bytes()));
            assert!(socket.recv().await.is_none());
            assert_eq!(socket.close_frame().map(|close| close.code), Some(4000.into()));
        };
        tokio::join!(server, client);
    });
}

#[test]
fn response_may_arrive_byte_by_byte() {
    run(async || {
        let (io, other) = tokio::io::duplex(1);
        let mut peer = Peer::new(other);
        let server = async {
            peer.head().await;
            peer.write(upgraded("X-Last: yes\r\n")).await;
            peer.write(Frame::text("hello").unmasked().bytes()).await;
        };
        let client = async {
            let connect = connect("ws://example.com").config(sample_config()).over(io);
            let (mut socket, response) = connect.await.unwrap();
            assert_eq!(response.headers()["x-last"], "yes");
            assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("hello"));
        };
        tokio::join!(server, client);
    });
}

#[test]
fn proxy_option_is_ignored() {
    run(async || {
        let (io, server) = tokio::io::duplex(4096);
        tokio::spawn(echo(server, Config::server()));
        let proxy = "http://nowhere.invalid:1".parse().unwrap();
        let (mut socket, _) = connect("ws://example.com").proxy(proxy).over(io).await.unwrap();
        echoes(&mut socket, "hello").await;
    });
}
