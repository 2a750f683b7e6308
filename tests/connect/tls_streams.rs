//! How an open connection over TLS ends, in order or not.

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tower_websocket::{CloseCode, Config, Error, Message, WebSocket, accept, connect};
use websocket_tests::wire::Frame;

use crate::certificates::Authority;
use crate::peer::{listen, sample_config, upgraded};
use crate::run::run;

/// Returns both ends of a connection; the server's without WebSocket framing.
async fn open() -> (WebSocket, TlsStream<TcpStream>) {
    let authority = Authority::new("good");
    let (listener, port) = listen().await;
    let acceptor = authority.acceptor(&["localhost"]);
    let server = async {
        let mut stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            assert!(stream.read_buf(&mut head).await.unwrap() > 0);
        }
        stream.write_all(upgraded("").as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        stream
    };
    let url = format!("wss://localhost:{port}/");
    let client = connect(url).config(sample_config()).tls(authority.trusted()).into_future();
    let (opened, stream) = tokio::join!(client, server);
    (opened.unwrap().0, stream)
}

async fn write(stream: &mut TlsStream<TcpStream>, frame: Frame) {
    stream.write_all(&frame.unmasked().bytes()).await.unwrap();
    stream.flush().await.unwrap();
}

fn code(socket: &WebSocket) -> Option<CloseCode> {
    socket.close_frame().map(|close| close.code)
}

/// It may have been truncated: only `close_notify` is an orderly end (RFC 8446 §6.1).
#[test]
fn truncated_stream_is_an_io_error_and_an_abnormal_end() {
    run(async || {
        let (mut socket, mut stream) = open().await;
        write(&mut stream, Frame::text("last")).await;
        // Closes the TCP stream without any TLS alert.
        drop(stream.into_inner().0);
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("last"));
        let Some(Err(Error::Io(error))) = socket.recv().await else { panic!("no error") };
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert!(socket.recv().await.is_none());
        assert_eq!(code(&socket), Some(CloseCode::ABNORMAL));
    });
}

#[test]
fn tls_end_without_a_close_is_an_abnormal_end_and_no_error() {
    run(async || {
        let (mut socket, mut stream) = open().await;
        stream.shutdown().await.unwrap();
        assert!(socket.recv().await.is_none());
        assert_eq!(code(&socket), Some(CloseCode::ABNORMAL));
    });
}

#[test]
fn close_before_a_truncation_counts() {
    run(async || {
        let (mut socket, mut stream) = open().await;
        write(&mut stream, Frame::close(4000, "bye")).await;
        let server = async {
            let mut close = [0; 8];
            stream.read_exact(&mut close).await.unwrap();
            drop(stream);
        };
        let (end, ()) = tokio::join!(socket.recv(), server);
        assert!(end.is_none());
        assert_eq!(code(&socket), Some(4000.into()));
    });
}

#[test]
fn client_sends_close_notify_after_its_close() {
    run(async || {
        let (mut socket, mut stream) = open().await;
        let server = async {
            let mut close = [0; 8];
            stream.read_exact(&mut close).await.unwrap();
            assert_eq!(close[0], 0x88);
            write(&mut stream, Frame::close(1000, "")).await;
            stream.shutdown().await.unwrap();
            let mut rest = Vec::new();
            // Fails without close_notify.
            stream.read_to_end(&mut rest).await.unwrap();
            assert!(rest.is_empty());
        };
        let (closed, ()) = tokio::join!(socket.close(CloseCode::NORMAL, ""), server);
        closed.unwrap();
        assert_eq!(code(&socket), Some(CloseCode::NORMAL));
    });
}

#[test]
fn both_sides_of_this_project_close_each_other_over_tls() {
    run(async || {
        for server_closes in [true, false] {
            let authority = Authority::new("good");
            let acceptor = authority.acceptor(&["localhost"]);
            let (listener, port) = listen().await;
            let server = async {
                let stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
                let Ok(mut socket) = accept(stream, Config::server()).await else { panic!("no WebSocket") };
                if server_closes {
                    socket.close(CloseCode::NORMAL, "").await.unwrap();
                } else {
                    assert!(socket.recv().await.is_none());
                }
                socket.close_frame().map(|close| close.code)
            };
            let client = async {
                let connect = connect(format!("wss://localhost:{port}")).tls(authority.trusted());
                let (mut socket, _) = connect.await.unwrap();
                if server_closes {
                    assert!(socket.recv().await.is_none());
                } else {
                    socket.close(CloseCode::NORMAL, "").await.unwrap();
                }
                code(&socket)
            };
            let begin = std::time::Instant::now();
            assert_eq!(tokio::join!(server, client), (Some(CloseCode::NORMAL), Some(CloseCode::NORMAL)));
            // No timeout has expired.
            assert!(begin.elapsed().as_secs() < 9);
        }
    });
}
