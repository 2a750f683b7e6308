//! A server that does not respond, or not completely. The clock is paused, so that waits are exact;
//! over TCP they are short.

use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;
use tower_websocket::client::{Connect, ConnectError};
use tower_websocket::error::ProtocolError;
use tower_websocket::{Config, connect};

use crate::peer::{Peer, echo_server, echoes, listen};
use crate::run::{run, run_paused};

/// Returns an in-memory client, the other end, and the current time.
fn over_memory() -> (Connect, Peer, Instant) {
    let (io, other) = tokio::io::duplex(4096);
    (connect("ws://example.com").over(io), Peer::new(other), Instant::now())
}

#[test]
fn silent_server_is_timed_out_after_ten_seconds() {
    run_paused(async || {
        let (connect, mut peer, begin) = over_memory();
        assert!(matches!(connect.await, Err(ConnectError::TimedOut)));
        assert_eq!(begin.elapsed().as_secs(), 10);
        assert!(peer.rest().await.starts_with(b"GET / HTTP/1.1\r\n"), "and the transport is ended");
    });
}

#[test]
fn timeout_overrides_that_of_the_configuration() {
    run_paused(async || {
        let config = || Config::client().handshake_timeout(Duration::from_secs(4));
        let (connect, _peer, begin) = over_memory();
        assert!(matches!(connect.config(config()).await, Err(ConnectError::TimedOut)));
        assert_eq!(begin.elapsed().as_secs(), 4);
        let (connect, _peer, begin) = over_memory();
        let connect = connect.timeout(Duration::from_secs(2)).config(config());
        assert!(matches!(connect.await, Err(ConnectError::TimedOut)));
        assert_eq!(begin.elapsed().as_secs(), 2);
    });
}

#[test]
fn trickling_server_does_not_extend_the_timeout() {
    run_paused(async || {
        let (connect, mut peer, begin) = over_memory();
        let server = async {
            for byte in b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n".iter() {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if peer.try_write([*byte]).await.is_err() {
                    break;
                }
            }
        };
        let client = async {
            assert!(matches!(connect.await, Err(ConnectError::TimedOut)));
            assert_eq!(begin.elapsed().as_secs(), 10);
        };
        tokio::join!(client, server);
    });
}

#[test]
fn connect_timeout_max_means_never() {
    run_paused(async || {
        let config = || Config::client().handshake_timeout(Duration::MAX);
        let century = Duration::from_secs(100 * 365 * 24 * 3600);
        let cases: [fn(Connect) -> Connect; 2] = [|connect| connect, Connect::http2];
        for version in cases {
            let (connect, _peer, _) = over_memory();
            let connect = version(connect.timeout(Duration::MAX)).into_future();
            assert!(tokio::time::timeout(Duration::from_secs(3600), connect).await.is_err());
            let (connect, _peer, _) = over_memory();
            let connect = version(connect.config(config())).into_future();
            assert!(tokio::time::timeout(Duration::from_secs(3600), connect).await.is_err());
            let (connect, _peer, _) = over_memory();
            let connect = version(connect.timeout(century * 1000)).into_future();
            assert!(tokio::time::timeout(Duration::from_secs(3600), connect).await.is_err());
        }
        let (connect, _peer, _) = over_memory();
        let connection = connect.timeout(Duration::MAX).http2_connection();
        assert!(tokio::time::timeout(Duration::from_secs(3600), connection).await.is_err());
    });
}

#[test]
fn connect_timeout_max_connects() {
    run(async || {
        let port = echo_server(Config::server().handshake_timeout(Duration::MAX)).await;
        let (mut socket, _) = connect(format!("ws://127.0.0.1:{port}")).timeout(Duration::MAX).await.unwrap();
        echoes(&mut socket, "hello").await;
    });
}

#[test]
fn silent_server_over_tcp_is_timed_out() {
    run(async || {
        for scheme in ["ws", "wss"] {
            let (listener, port) = listen().await;
            let connect = connect(format!("{scheme}://127.0.0.1:{port}"))
                .tls(crate::certificates::Authority::new("unused").trusted())
                .timeout(Duration::from_millis(50))
                .into_future();
            let (opened, mut peer) = tokio::join!(connect, Peer::of(&listener));
            assert!(matches!(opened, Err(ConnectError::TimedOut)), "{scheme}");
            peer.rest().await;
        }
    });
}

/// A refusal that has arrived is reported even if its body does not end, as is possible with
/// HTTP/1.1 without a length on a persistent connection.
#[test]
fn refusal_with_an_endless_body_is_reported() {
    run_paused(async || {
        let bodies = ["\r\nkeep out", "Content-Length: 100\r\n\r\nkeep out"];
        for body in bodies {
            let (connect, mut peer, begin) = over_memory();
            let server = async {
                peer.head().await;
                peer.write(format!("HTTP/1.1 403 Forbidden\r\n{body}")).await;
            };
            let (opened, ()) = tokio::join!(connect.into_future(), server);
            let Err(ConnectError::Refused(ProtocolError::Response(error))) = opened else { panic!("{opened:?}") };
            assert_eq!(error.status, Some(StatusCode::FORBIDDEN));
            assert_eq!(error.body, "keep out");
            assert!(begin.elapsed().as_secs() <= 10);
        }
    });
}

#[test]
fn chunked_refusal_is_decoded_and_reported_at_once() {
    run_paused(async || {
        let ends = ["0\r\n\r\n", "000\r\n\r\n", "0\r\nX-Trailer: 1\r\n\r\n", "0;last=1\r\n\r\n"];
        for (size, end) in ["8", "08", "8;name=value"].into_iter().flat_map(|size| ends.map(|end| (size, end))) {
            let (connect, mut peer, begin) = over_memory();
            let server = async {
                peer.head().await;
                let head = "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n";
                peer.write(format!("{head}{size}\r\nkeep out\r\n{end}")).await;
            };
            let (opened, ()) = tokio::join!(connect.into_future(), server);
            let Err(ConnectError::Refused(ProtocolError::Response(error))) = opened else { panic!("{opened:?}") };
            assert_eq!((error.status, &error.body[..]), (Some(StatusCode::FORBIDDEN), &b"keep out"[..]));
            assert_eq!(begin.elapsed().as_secs(), 0, "{size}, {end}");
        }
    });
}
