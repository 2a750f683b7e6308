//! Transports that fail on demand.

use std::io::{ErrorKind, IoSlice};
use std::time::Duration;

use axum::Router;
use futures_util::FutureExt;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;
use tower::Layer;
use tower_websocket::test::{self, Peer};
use tower_websocket::{CloseCode, Config, Error, Message, WebSocket, WebSocketLayer};

fn kind_of(error: Error) -> ErrorKind {
    match error {
        Error::Io(error) => error.kind(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn chop_delivers_in_pieces_and_yields_between_them() {
    let (mut io, other) = test::transport();
    let mut peer = Peer::new(other);
    peer.send_raw("whole");
    assert_eq!(io.read(&mut [0; 100]).await.unwrap(), 5);
    peer.chop(3);
    peer.send_raw("12345678");
    let mut pieces = Vec::new();
    for _ in 0..3 {
        let mut piece = [0; 100];
        let read = timeout(Duration::from_secs(5), io.read(&mut piece)).await.expect("a piece").unwrap();
        pieces.push(piece[..read].to_vec());
        if pieces.len() < 3 {
            assert!(io.read(&mut [0; 100]).now_or_never().is_none());
        }
    }
    assert_eq!(pieces, [&b"123"[..], b"456", b"78"]);
}

#[tokio::test]
async fn chop_accepts_writes_in_pieces() {
    let (mut io, other) = test::transport();
    let mut peer = Peer::new(other);
    peer.chop(3);
    assert_eq!(io.write(b"12345").await.unwrap(), 3);
    assert!(io.write(b"45").now_or_never().is_none());
    assert_eq!(io.write_vectored(&[IoSlice::new(b"4"), IoSlice::new(b"567")]).await.unwrap(), 3);
    peer.chop(usize::MAX);
    io.write_all(b"7890").await.unwrap();
    peer.expect_raw("1234567890").await;
}

#[tokio::test]
async fn chopped_transport_works_with_pieces_of_any_length() {
    for length in [1, 2, 3, 7, 1000] {
        let (mut socket, mut peer) = test::server("/", Config::server()).await;
        peer.chop(length);
        let texts = ["".to_owned(), "a".to_owned(), "x".repeat(126), "y".repeat(70_000)];
        for text in &texts {
            peer.send_text(text);
        }
        let echo = tokio::spawn(async move {
            while let Some(message) = socket.recv().await {
                socket.send(message.unwrap()).await.unwrap();
            }
        });
        for text in &texts {
            peer.expect_text(text).await;
        }
        peer.close(1000, "done").await;
        echo.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn stall_blocks_writes_until_resume() {
    let (mut socket, mut peer) = test::server("/", Config::server()).await;
    socket.send("before").await.unwrap();
    peer.stall();
    let sending = tokio::spawn(async move {
        socket.send("after").await.unwrap();
        socket
    });
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(!sending.is_finished());
    // Data received before is still available.
    peer.expect_text("before").await;
    peer.resume();
    peer.expect_text("after").await;
    sending.await.unwrap();
}

#[tokio::test]
#[should_panic = "expected the text \"hello\", but this peer is stalled"]
async fn stalled_peer_cannot_expect_anything() {
    let (mut socket, mut peer) = test::server("/", Config::server()).await;
    peer.stall();
    assert!(socket.send("hello").now_or_never().is_none());
    peer.expect_text("hello").await;
}

#[tokio::test(start_paused = true)]
async fn full_transport_accepts_nothing_until_it_is_read() {
    let (mut socket, mut peer) = test::server("/", Config::server()).await;
    peer.capacity(1000);
    assert!(timeout(Duration::from_secs(30), socket.send("x".repeat(1001))).await.is_err());
    tokio::spawn(async move { socket.flush().await.unwrap() });
    peer.expect_text(&"x".repeat(1001)).await;
}

#[tokio::test]
async fn handler_that_never_waits_does_not_fill_memory() {
    let (mut socket, _peer) = test::server("/", Config::server()).await;
    let sent = async {
        let mut sent: usize = 0;
        while let Some(Ok(())) = socket.send(vec![0; 1000]).now_or_never() {
            sent += 1000;
        }
        sent
    };
    assert!((1_000_000..2_000_000).contains(&sent.await));
}

#[tokio::test]
async fn reset_is_an_io_error_after_sent_data() {
    let (mut socket, mut peer) = test::server("/", Config::server()).await;
    peer.send_text("last");
    peer.reset();
    assert_eq!(kind_of(socket.send("into the void").await.unwrap_err()), ErrorKind::ConnectionReset);

    let (mut socket, mut peer) = test::server("/", Config::server()).await;
    peer.send_text("last");
    peer.reset();
    assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("last"));
    assert_eq!(kind_of(socket.recv().await.unwrap().unwrap_err()), ErrorKind::ConnectionReset);
    assert!(socket.recv().await.is_none());
}

#[tokio::test]
async fn reset_wakes_readers_and_writers() {
    let (mut socket, mut peer) = test::server("/", Config::server()).await;
    let reading = tokio::spawn(async move { socket.recv().await.unwrap().unwrap_err() });
    tokio::task::yield_now().await;
    peer.reset();
    assert_eq!(kind_of(reading.await.unwrap()), ErrorKind::ConnectionReset);

    let (mut socket, mut peer) = test::server("/", Config::server()).await;
    peer.stall();
    let writing = tokio::spawn(async move { socket.send("hello").await.unwrap_err() });
    tokio::task::yield_now().await;
    peer.reset();
    assert_eq!(kind_of(writing.await.unwrap()), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn cut_is_an_end_without_a_close() {
    let (mut socket, mut peer) = test::server("/", Config::server()).await;
    peer.send_text("last");
    peer.cut();
    assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("last"));
    assert_eq!(kind_of(socket.send("into the void").await.unwrap_err()), ErrorKind::BrokenPipe);

    let (mut socket, peer) = test::server("/", Config::server()).await;
    drop(peer);
    assert!(socket.recv().await.is_none());
    assert_eq!(socket.close_frame().map(|close| close.code), Some(CloseCode::ABNORMAL));
}

#[tokio::test]
async fn ended_peer_continues_to_read() {
    let (mut io, other) = test::transport();
    let mut peer = Peer::new(other);
    peer.end();
    assert_eq!(io.read(&mut [0; 8]).await.unwrap(), 0);
    io.write_all(b"still heard").await.unwrap();
    drop(io);
    assert_eq!(peer.rest().await, b"still heard");
}

#[tokio::test]
async fn faults_reach_a_handler_behind_hyper() {
    for is_reset in [true, false] {
        let (sender, mut ended) = unbounded_channel();
        let layer = WebSocketLayer::new(move |mut socket: WebSocket, _: Request<()>| {
            let sender = sender.clone();
            async move {
                let end = socket.recv().await.map(|end| kind_of(end.unwrap_err()));
                sender.send(end).unwrap();
            }
        });
        let mut peer = test::open(layer.layer(Router::<()>::new()), "/").await;
        if is_reset {
            peer.reset()
        } else {
            peer.cut()
        }
        assert_eq!(ended.recv().await.unwrap(), is_reset.then_some(ErrorKind::ConnectionReset));
    }
}
