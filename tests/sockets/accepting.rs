//! `accept`: a handshake on a connection that nothing was read from.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower_websocket::server::AcceptError;
use tower_websocket::{Version, accept};
use websocket_tests::chain::chain;
use websocket_tests::wire::{Handshake, VERSIONS};

use crate::client::Opening;
use crate::pair::tcp;
use crate::run::{run, run_paused};
use crate::stacks::{Stack, axum, config};
use crate::wire::Wire;

async fn refused(request: &[u8]) -> (AcceptError<TcpStream>, Wire) {
    let (server, client) = tcp().await;
    let mut client = Wire::new(client);
    client.write(request).await;
    (accept(server, config()).await.expect_err("no WebSocket"), client)
}

#[test]
fn plain_request_is_returned_with_the_connection_and_following_data() {
    run(async || {
        let mut post = Handshake::get("/form?q").with("X-Test", "kept").with("Content-Length", "9");
        (post.method, post.body) = ("POST".into(), b"body next".into());
        let (error, mut client) = refused(&post.bytes()).await;
        let AcceptError::PlainHttp(mut http) = error else { panic!("{error:?}") };
        assert_eq!((http.request.method().as_str(), http.request.uri().path()), ("POST", "/form"));
        assert_eq!(http.request.headers()["x-test"], "kept");
        assert_eq!(http.read, "body next");
        http.io.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        assert_eq!(client.response().await.0.status, 204);
        client.write("more").await;
        assert_eq!(http.io.read_u32().await.unwrap(), u32::from_be_bytes(*b"more"));
    });
}

#[test]
fn refusal_is_reported_to_both_sides() {
    run(async || {
        let (error, mut client) = refused(&Handshake::hybi("13").without("Sec-WebSocket-Key").bytes()).await;
        assert!(matches!(&error, AcceptError::Refused(_)), "{error:?}");
        assert!(chain(&error).contains("Sec-WebSocket-Key"), "{error}");
        let (answer, body) = client.response().await;
        assert_eq!((answer.status, answer.all("Connection")), (400, vec!["close"]));
        assert!(body.contains("Sec-WebSocket-Key"), "{body}");
        client.eof().await;
    });
}

#[test]
fn head_over_limit_is_refused_while_the_client_is_writing() {
    run(async || {
        let request = [b"GET / HTTP/1.1\r\nHost: example.com\r\n", &b"X-Filler: filler\r\n".repeat(5000)[..]].concat();
        let (error, mut client) = refused(&request).await;
        assert!(matches!(&error, AcceptError::Refused(_)), "{error:?}");
        assert!(chain(&error).contains("exceeds 16384 bytes"), "{error}");
        assert_eq!(client.response().await.0.status, 400);
        client.eof().await;
    });
}

#[test]
fn request_that_is_not_http_is_refused() {
    run(async || {
        let (error, mut client) = refused(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").await;
        assert!(matches!(error, AcceptError::Refused(_)), "{error:?}");
        assert_eq!(client.response().await.0.status, 400);
        client.eof().await;
    });
}

/// The server must not wait for the end of the head or the timeout, since the client is waiting for
/// a response.
#[test]
fn tls_client_hello_is_refused_at_its_first_byte() {
    run_paused(async || {
        for start in [&b"\x16"[..], b"\x16\x03\x01\x02", b"\r\n\x16"] {
            let (server, client) = tokio::io::duplex(1024);
            let mut client = Wire::new(client);
            client.write(start).await;
            let before = tokio::time::Instant::now();
            let error = accept(server, config()).await.expect_err("no WebSocket");
            assert!(matches!(error, AcceptError::Refused(_)), "{error:?}");
            assert!(before.elapsed().as_secs() < 1, "{:?}", before.elapsed());
            assert_eq!(client.response().await.0.status, 400);
        }
    });
}

#[test]
fn empty_lines_before_the_request_are_skipped() {
    run(async || {
        for empty in ["\r\n", "\n", "\r\n\r\n"] {
            let (server, client) = tcp().await;
            let opening = Opening::of(Version::Hybi13);
            let mut client = Wire::new(client);
            client.write([empty.as_bytes(), &opening.handshake.bytes()].concat()).await;
            let _socket = accept(server, config()).await.expect("a WebSocket");
            opening.confirmed(client).await;
        }
    });
}

#[test]
fn client_that_leaves_within_its_request_is_an_end_of_file() {
    run(async || {
        let whole = Handshake::of(Version::Hixie76).bytes();
        for length in [0, 1, 100, whole.len() - 8, whole.len() - 1] {
            let (server, mut client) = tcp().await;
            client.write_all(&whole[..length]).await.unwrap();
            drop(client);
            let error = accept(server, config()).await.expect_err("no WebSocket");
            assert!(matches!(&error, AcceptError::Io(error) if error.kind() == ErrorKind::UnexpectedEof), "{error:?}");
        }
    });
}

#[test]
fn missing_request_is_timed_out() {
    run_paused(async || {
        for length in [0, 1, 100] {
            let (server, client) = tokio::io::duplex(1024);
            let mut client = Wire::new(client);
            client.write(&Handshake::of(Version::Hybi13).bytes()[..length]).await;
            let start = tokio::time::Instant::now();
            let limit = Duration::from_secs(3);
            let error = accept(server, config().handshake_timeout(limit)).await.expect_err("no WebSocket");
            assert!(matches!(error, AcceptError::TimedOut), "{error:?}");
            assert_eq!(start.elapsed().as_secs(), 3);
            client.eof().await;
        }
    });
}

#[test]
fn trickling_request_does_not_extend_the_limit() {
    run_paused(async || {
        let (server, client) = tokio::io::duplex(1024);
        let mut client = Wire::new(client);
        let writer = async {
            for byte in Handshake::of(Version::Hybi13).bytes() {
                tokio::time::sleep(Duration::from_millis(100)).await;
                if client.try_write([byte]).await.is_err() {
                    return;
                }
            }
            panic!("the server waited for all of it");
        };
        let start = tokio::time::Instant::now();
        let (result, ()) = tokio::join!(accept(server, config()), writer);
        assert!(matches!(result, Err(AcceptError::TimedOut)));
        // The default.
        assert_eq!(start.elapsed().as_secs(), 10);
    });
}

#[test]
fn response_is_sent_if_the_application_does_not_use_the_socket() {
    run(async || {
        for version in VERSIONS {
            println!("{version}");
            let (server, client) = tcp().await;
            let opening = Opening::of(version);
            let mut wire = Wire::new(client);
            wire.write(opening.handshake.bytes()).await;
            let _socket = accept(server, config()).await.unwrap();
            // For example, it queries a database first.
            let answered = tokio::time::timeout(Duration::from_secs(2), opening.confirmed(wire)).await;
            assert!(answered.is_ok(), "the client still waits for its answer");
        }
    });
}

#[test]
fn response_behind_hyper_is_sent_if_the_application_does_not_use_the_socket() {
    async fn handler(ws: axum_websocket::WebSocketUpgrade) -> axum::response::Response {
        ws.config(config()).on_upgrade(async |_socket| std::future::pending().await)
    }
    run(async || {
        let port = axum(axum::Router::new().fallback(handler)).await;
        for version in VERSIONS {
            println!("{version}");
            let opening = Opening::of(version);
            let answered = tokio::time::timeout(Duration::from_secs(2), opening.on(port.connect().await)).await;
            assert!(answered.is_ok(), "the client still waits for its answer");
        }
    });
}

#[test]
fn several_requests_may_precede_the_handshake() {
    run(async || {
        for stack in Stack::LAYERS {
            let server = stack.serve(config()).await;
            for version in VERSIONS {
                // Pipelined: the responses arrive together as well.
                let opening = server.opening(version);
                let mut wire = server.connect().await;
                wire.write([Handshake::get("/one").bytes(), opening.handshake.bytes()].concat()).await;
                assert_eq!(wire.response().await.0.status, 404);
                opening.confirmed(wire).await.close().await;
            }
        }
    });
}
