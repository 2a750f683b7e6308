//! Sockets as streams of bytes.

use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::FutureExt;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, copy_bidirectional, duplex, split,
};
use tokio::net::{TcpListener, TcpStream};
use tower_websocket::error::AbnormalEnd;
use tower_websocket::test::{self, Frame, Peer, Transport};
use tower_websocket::{ByteStream, CloseCause, Config, ServerConfig, WebSocket, accept, connect};

use crate::run::{run, run_paused};

async fn server(config: ServerConfig) -> (ByteStream, Peer) {
    let (socket, peer) = test::server("/", config).await;
    (ByteStream::new(socket), peer)
}

/// Returns both ends of a tunnel.
async fn tunnel() -> (ByteStream, ByteStream<Transport>) {
    let (io, other) = test::transport();
    let accepting = tokio::spawn(async move { accept(io, Config::server()).await.unwrap() });
    let (socket, _) = connect("ws://localhost/").over(other).await.unwrap();
    (ByteStream::new(socket), ByteStream::new(accepting.await.unwrap()))
}

#[test]
fn each_write_is_a_binary_message_that_leaves_at_once() {
    run_paused(async || {
        let (mut stream, mut peer) = server(Config::server()).await;
        for data in [&b"one"[..], b"two"] {
            stream.write_all(data).await.unwrap();
            peer.expect_binary(data).await;
        }
        assert_eq!(stream.write(b"").await.unwrap(), 0);
        // Messages are not longer than peers accept by default.
        let long = vec![7; 100_000];
        assert_eq!(stream.write(&long).await.unwrap(), 64 * 1024);
        peer.expect_binary(&long[..64 * 1024]).await;
        peer.expect_nothing(Duration::from_secs(1)).await;
    });
}

#[test]
fn messages_are_read_one_after_the_other_whatever_their_kind() {
    run_paused(async || {
        let (mut stream, mut peer) = server(Config::server()).await;
        peer.send_binary(b"one\ntw");
        peer.send_binary("");
        peer.send_text("o\nthree");
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        stream.read_line(&mut line).await.unwrap();
        assert_eq!(line, "one\ntwo\n");
        let mut two = [0; 2];
        stream.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"th");
        assert_eq!(stream.read(&mut []).await.unwrap(), 0);
        peer.send_ping("?");
        assert!(stream.fill_buf().await.unwrap().starts_with(b"ree"));
        stream.consume(3);
        assert!(stream.fill_buf().now_or_never().is_none());
        peer.expect_pong("?").await;
    });
}

#[test]
fn close_of_the_peer_is_the_end() {
    run_paused(async || {
        for code in [1000, 1001, 1005] {
            let (mut stream, mut peer) = server(Config::server()).await;
            peer.send_binary("all");
            peer.send_close(code, "");
            let mut read = Vec::new();
            stream.read_to_end(&mut read).await.unwrap();
            assert_eq!(read, b"all");
            assert_eq!(stream.read(&mut [0; 9]).await.unwrap(), 0);
            assert_eq!(stream.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        }
    });
}

/// Reads to the end, which must be an error, and must be repeated by later reads.
async fn broken(stream: &mut ByteStream) -> (Vec<u8>, io::Error) {
    let mut read = Vec::new();
    let error = stream.read_to_end(&mut read).await.unwrap_err();
    assert_eq!(stream.read(&mut [0; 9]).await.unwrap_err().kind(), error.kind());
    (read, error)
}

fn cause(error: &io::Error) -> CloseCause {
    let end = error.get_ref().expect("an inner error").downcast_ref::<AbnormalEnd>().expect("an abnormal end");
    assert!(end.source().is_none());
    end.cause().clone()
}

#[test]
fn every_other_end_is_an_error() {
    run_paused(async || {
        let (mut stream, mut peer) = server(Config::server()).await;
        peer.send_binary("some");
        peer.send_close(1011, "disk full");
        let (read, error) = broken(&mut stream).await;
        assert_eq!((read.as_slice(), error.kind()), (&b"some"[..], ErrorKind::ConnectionAborted));
        assert!(matches!(cause(&error), CloseCause::Remote(close) if close.reason == "disk full"));

        let (mut stream, mut peer) = server(Config::server()).await;
        peer.send_binary("some");
        peer.end();
        let (read, error) = broken(&mut stream).await;
        assert_eq!((read.as_slice(), error.kind()), (&b"some"[..], ErrorKind::UnexpectedEof));
        assert_eq!(cause(&error), CloseCause::Ended);

        let (mut stream, mut peer) = server(Config::server().max_message_size(3)).await;
        peer.send_binary("some");
        let (_, error) = broken(&mut stream).await;
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(matches!(cause(&error), CloseCause::Limit(_)));
        peer.expect_close(1009).await;

        let (mut stream, _peer) = server(Config::server()).await;
        let (_, error) = broken(&mut stream).await;
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn shutdown_closes_and_reads_what_the_peer_still_sends() {
    run_paused(async || {
        let (mut stream, mut peer) = server(Config::server()).await;
        stream.write_all(b"request").await.unwrap();
        stream.shutdown().await.unwrap();
        stream.shutdown().await.unwrap();
        peer.expect_binary("request").await;
        peer.expect_close(1000).await;
        assert_eq!(stream.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        peer.send_binary("response");
        peer.send_close(1000, "");
        let mut read = Vec::new();
        stream.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"response");
    });
}

#[test]
fn shutdown_without_an_answer_is_no_clean_end() {
    run_paused(async || {
        let (mut stream, mut peer) = server(Config::server()).await;
        stream.shutdown().await.unwrap();
        peer.end();
        let (_, error) = broken(&mut stream).await;
        assert!(matches!(cause(&error), CloseCause::Local(_)), "{error:?}");
    });
}

#[test]
fn dropped_stream_writes_what_it_has_taken() {
    run_paused(async || {
        let (mut stream, mut peer) = server(Config::server()).await;
        stream.write_all(b"last words").await.unwrap();
        drop(stream);
        peer.expect_binary("last words").await;
        peer.expect_eof().await;
    });
}

#[test]
fn write_that_nobody_waits_for_is_written() {
    run(async || {
        // A transport whose buffer is smaller than one message.
        let (io, other) = duplex(1024);
        let socket = WebSocket::from_raw(io, "", tower_websocket::CompletedHandshake::new(), Config::server());
        let mut stream = ByteStream::new(socket);
        stream.write(&[7; 10_000]).now_or_never().expect("room").unwrap();
        let (mut read, _write) = split(other);
        let mut received = vec![0; 10_004];
        read.read_exact(&mut received).await.unwrap();
        assert_eq!(received[4..], [7; 10_000]);
        drop(stream);
    });
}

#[test]
fn writes_beyond_one_turn_are_written() {
    run_paused(async || {
        let (mut stream, mut peer) = server(Config::server()).await;
        // Each is written before the next, up to the one that uses up the budget.
        for _ in 0..100 {
            stream.write(&[7; 64 * 1024]).now_or_never().expect("room").unwrap();
            let received = peer.next_frame().now_or_never();
            if received.is_none() {
                assert_eq!(peer.next_frame().await, Frame::Binary(vec![7; 64 * 1024]));
                return;
            }
        }
        panic!("no turn ends");
    });
}

#[test]
fn writer_waits_for_a_peer_that_does_not_read() {
    run(async || {
        let (io, other) = duplex(1024);
        let socket = WebSocket::from_raw(io, "", tower_websocket::CompletedHandshake::new(), Config::server());
        let mut stream = ByteStream::new(socket);
        let mut taken = 0;
        while let Some(written) = stream.write(&[7; 64 * 1024]).now_or_never() {
            taken += written.unwrap();
            assert!(taken < 64 * 1024 * 1024, "no end");
        }
        let reading = tokio::spawn(async move {
            let mut reader = BufReader::new(other);
            let mut read = 0;
            loop {
                let length = reader.fill_buf().await.unwrap().len();
                if length == 0 {
                    return read;
                }
                read += length;
                reader.consume(length);
            }
        });
        stream.write_all(b"end").await.unwrap();
        stream.flush().await.unwrap();
        drop(stream);
        assert!(reading.await.unwrap() > taken);
    });
}

/// Sends and receives the same data concurrently.
async fn exchange(stream: impl AsyncRead + AsyncWrite, sent: Bytes) {
    let (mut read, mut write) = split(stream);
    let writing = async {
        write.write_all(&sent).await.unwrap();
        write.flush().await.unwrap();
    };
    let mut received = vec![0; sent.len()];
    let ((), read) = tokio::join!(writing, read.read_exact(&mut received));
    read.unwrap();
    assert!(received == sent);
}

#[test]
fn megabytes_arrive_unchanged_both_ways() {
    run(async || {
        let (left, right) = tunnel().await;
        let sent = Bytes::from_iter((0..3_000_000_u32).map(|i| (i * 7 % 251) as u8));
        let back = tokio::spawn(exchange(right, sent.clone()));
        exchange(left, sent).await;
        back.await.unwrap();
    });
}

#[test]
fn http_passes_through_a_tunnel() {
    run(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        let echo = async |body: Bytes| body;
        let router = Router::new().route("/", get("hello")).route("/echo", post(echo));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let (client, mut server) = tunnel().await;
        let serving = tokio::spawn(async move {
            let mut target = TcpStream::connect(target).await.unwrap();
            copy_bidirectional(&mut server, &mut target).await
        });
        let (mut sender, connection) = http1::handshake(TokioIo::new(client)).await.unwrap();
        let connection = tokio::spawn(connection);
        let body = vec![b'x'; 1_000_000];
        for (method, path, sent, expected) in
            [("GET", "/", vec![], b"hello".to_vec()), ("POST", "/echo", body.clone(), body)]
        {
            let request = Request::builder().method(method).uri(path).header("host", "localhost");
            let response = sender.send_request(request.body(Full::new(Bytes::from(sent))).unwrap()).await.unwrap();
            assert_eq!(response.status(), 200);
            assert!(response.into_body().collect().await.unwrap().to_bytes() == expected);
        }
        drop(sender);
        connection.await.unwrap().unwrap();
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn stream_shows_its_socket() {
    run_paused(async || {
        let (stream, _peer) = server(Config::server()).await;
        assert_eq!(stream.get_ref().close_cause(), None);
        assert!(format!("{stream:?}").starts_with("ByteStream"));
    });
}
