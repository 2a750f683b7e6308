//! Servers that do not support HTTP/2, do not accept WebSockets over it, or do not respond.

use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http_body_util::Empty;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use tower_websocket::client::ConnectError;
use tower_websocket::{Config, connect};

use crate::certificates::{Authority, tls_echo_server};
use crate::http2_peer::{Http2Peer, builder, connection, open_on, over_memory};
use crate::peer::{Peer, echo_server, echoes, listen, serve};
use crate::run::{run, run_paused};

#[test]
fn cleartext_http_1_1_server_is_reported() {
    run(async || {
        // axum, which responds to the preface with 400, and a server that responds and keeps the
        // connection open.
        let own = echo_server(Config::server()).await;
        let other = serve(async |mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let nonsense = serve(async |mut stream| {
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        for port in [other, nonsense, own] {
            let error = connect(format!("ws://127.0.0.1:{port}/")).http2().await.unwrap_err();
            let is_it = matches!(&error, ConnectError::NoHttp2 { host } if host == "127.0.0.1");
            assert!(is_it && !error.is_transient(), "{error:?}");
        }
    });
}

#[test]
fn server_that_ends_at_once_is_an_io_error() {
    run(async || {
        let port = serve(async |mut stream| {
            let _ = stream.read(&mut [0; 1]).await;
        })
        .await;
        let error = connect(format!("ws://127.0.0.1:{port}/")).http2().await.unwrap_err();
        assert!(matches!(&error, ConnectError::Io { .. }) && error.is_transient(), "{error:?}");
    });
}

#[test]
fn unused_port_is_refused() {
    run(async || {
        let (listener, port) = listen().await;
        drop(listener);
        for connect in [connect(format!("ws://127.0.0.1:{port}/")), connect(format!("http://127.0.0.1:{port}/"))] {
            let error = connect.http2().await.unwrap_err();
            let ConnectError::Io { host, error } = error else { panic!("{error:?}") };
            assert_eq!((host, error.kind()), (format!("127.0.0.1:{port}"), ErrorKind::ConnectionRefused));
        }
    });
}

#[test]
fn tls_server_without_alpn_does_not_support_http_2() {
    run(async || {
        let authority = Authority::new("good");
        let port = tls_echo_server(authority.without_alpn()).await;
        let error = connect(format!("wss://localhost:{port}/")).tls(authority.trusted()).http2().await.unwrap_err();
        let is_it = matches!(&error, ConnectError::NoHttp2 { host } if host.starts_with("localhost"));
        assert!(is_it && !error.is_transient(), "{error:?}");
        // Over HTTP/1.1 it works.
        let connect = connect(format!("wss://localhost:{port}/")).tls(authority.trusted());
        echoes(&mut connect.await.unwrap().0, "hello").await;
    });
}

/// RFC 7301 §3.2: a server that supports none of the offered protocols refuses the handshake with
/// an alert.
#[test]
fn tls_server_with_only_http_1_1_does_not_support_http_2() {
    run(async || {
        let authority = Authority::new("good");
        let port = tls_echo_server(authority.speaking(b"http/1.1")).await;
        let error = connect(format!("wss://localhost:{port}/")).tls(authority.trusted()).http2().await.unwrap_err();
        assert!(matches!(&error, ConnectError::NoHttp2 { .. }), "{error:?}");
    });
}

#[test]
fn http_2_alone_is_offered_and_the_certificate_is_verified() {
    run(async || {
        let authority = Authority::new("good");
        let acceptor = authority.speaking(b"h2");
        let (listener, port) = listen().await;
        let server = async {
            let stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            let mut peer = Http2Peer::new(stream, builder()).await;
            let asked = peer.asked().await.unwrap();
            assert_eq!(asked.request.uri(), &*format!("https://localhost:{port}/"));
            (asked.accept(), peer)
        };
        let client = connect(format!("wss://localhost:{port}/")).tls(authority.trusted()).http2().into_future();
        let (opened, _server) = tokio::join!(client, server);
        opened.unwrap();
        let port = tls_echo_server(Authority::new("other").speaking(b"h2")).await;
        let error = connect(format!("wss://localhost:{port}/")).tls(authority.trusted()).http2().await.unwrap_err();
        assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
    });
}

#[test]
fn hyper_without_the_setting_accepts_no_websockets_and_receives_no_request() {
    run(async || {
        let port = serve(async |stream| {
            let service = hyper::service::service_fn(async |request| -> Result<http::Response<Empty<Bytes>>, &str> {
                panic!("asked: {request:?}")
            });
            let io = TokioIo::new(stream);
            let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await;
        })
        .await;
        let error = connect(format!("ws://127.0.0.1:{port}/")).http2().await.unwrap_err();
        let host = format!("127.0.0.1:{port}");
        assert!(matches!(&error, ConnectError::NoExtendedConnect { host: told } if *told == host), "{error:?}");
        let error = connect(format!("ws://127.0.0.1:{port}/")).http2_connection().await.unwrap_err();
        assert!(matches!(&error, ConnectError::NoExtendedConnect { .. }), "{error:?}");
    });
}

#[test]
fn silent_server_is_timed_out() {
    run_paused(async || {
        for (limit, seconds) in [(None, 10), (Some(3), 3)] {
            for of_connection in [false, true] {
                let (io, other) = tokio::io::duplex(64 * 1024);
                let mut connect = connect("ws://example.com").http2().over(io);
                if let Some(limit) = limit {
                    connect = connect.timeout(Duration::from_secs(limit));
                }
                let begin = Instant::now();
                let error = match of_connection {
                    true => connect.http2_connection().await.unwrap_err(),
                    false => connect.await.unwrap_err(),
                };
                assert!(matches!(error, ConnectError::TimedOut), "{error:?}");
                assert_eq!(begin.elapsed().as_secs(), seconds);
                assert!(Peer::new(other).rest().await.starts_with(b"PRI * HTTP/2.0\r\n"), "and the transport is ended");
            }
        }
    });
}

#[test]
fn missing_response_is_timed_out_and_nothing_else_ends() {
    run_paused(async || {
        let (connection, mut peer) = connection(builder()).await;
        let (mut socket, mut tunnel) = open_on(&connection, &mut peer, Config::client()).await;
        let begin = Instant::now();
        let client = connect("ws://example.com/").on(&connection).timeout(Duration::from_secs(4)).into_future();
        let (opened, asked) = tokio::join!(client, peer.asked());
        assert!(matches!(opened, Err(ConnectError::TimedOut)), "{opened:?}");
        assert_eq!(begin.elapsed().as_secs(), 4);
        assert_eq!(asked.unwrap().accept().reset().await, Reason::CANCEL);
        socket.send("still here").await.unwrap();
        tunnel.expect("still here").await;
    });
}

#[test]
fn request_that_is_reset_is_an_io_error() {
    run(async || {
        let reasons = [
            (Reason::REFUSED_STREAM, ErrorKind::ConnectionReset),
            (Reason::INTERNAL_ERROR, ErrorKind::ConnectionReset),
            (Reason::CANCEL, ErrorKind::ConnectionReset),
            (Reason::NO_ERROR, ErrorKind::ConnectionReset),
        ];
        for (reason, kind) in reasons {
            let (connect, peer) = over_memory(builder());
            let server = async {
                let mut peer = peer.await;
                peer.asked().await.unwrap().respond.send_reset(reason);
                peer
            };
            let (opened, _peer) = tokio::join!(connect.into_future(), server);
            let error = opened.unwrap_err();
            assert!(error.is_transient());
            let ConnectError::Io { host, error } = error else { panic!("{error:?}") };
            assert_eq!((&*host, error.kind()), ("example.com:80", kind), "{reason:?}");
        }
    });
}

#[test]
fn goaway_before_the_response_is_an_io_error() {
    run(async || {
        let (connect, peer) = over_memory(builder());
        let server = async {
            let mut peer = peer.await;
            let asked = peer.asked().await.unwrap();
            peer.kill().await;
            drop(asked);
        };
        let (opened, ()) = tokio::join!(connect.into_future(), server);
        assert!(matches!(opened, Err(ConnectError::Io { .. })), "{opened:?}");
    });
}
