//! Behaviour of hyper that the documentation of `WebSocketLayer` and `Shutdown` mentions as a
//! limitation. A failure may mean that hyper has changed and the documentation must be updated, or
//! that the version is older than the one in `Cargo.lock`, as the messages say.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum_websocket::WebSocketUpgrade;
use bytes::Bytes;
use h2::client::SendRequest;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, service_fn};
use tower_websocket::{CloseCode, Shutdown, Version, WebSocket, WebSocketLayer};
use websocket_tests::wire::{Answer, Frame};

use crate::client::{Client, Opening};
use crate::http2::{Connection, websocket};
use crate::run::{run, run_paused};
use crate::serve::{How, listen, serve_by};
use crate::stacks::{Stack, config};
use crate::wire::Wire;

/// Expects a response that contains `close` in addition to `Upgrade`. The socket works.
async fn confirm_101(wire: &mut Wire, connection: &str) {
    let head = wire.head().await;
    let (answer, _) = Answer::read(&head).unwrap();
    let seen = (answer.status, answer.all("Connection"));
    assert_eq!(seen, (101, vec![connection]), "hyper before 1.12 replaces `Upgrade` by `close`");
}

async fn confirm_echo(wire: Wire) {
    let mut client = Client { wire, version: Version::Hybi13 };
    client.echo(&["hello"]).await;
    client.close().await;
}

#[test]
fn connection_close_in_the_request_is_repeated_in_the_101() {
    run(async || {
        for stack in Stack::ALL {
            let server = stack.serve(config()).await;
            let mut wire = server.connect().await;
            let handshake = server.opening(Version::Hybi13).handshake.set("Connection", "Upgrade, close");
            wire.write(handshake.bytes()).await;
            confirm_101(&mut wire, if stack == Stack::Tcp { "Upgrade" } else { "Upgrade, close" }).await;
            confirm_echo(wire).await;
        }
    });
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let _ = socket.send(message).await;
    }
}

async fn inner(_: Request<Incoming>) -> Result<Response<String>, Infallible> {
    Ok(Response::new(String::new()))
}

#[test]
fn keep_alive_off_appends_close_to_the_101() {
    run(async || {
        for how in [How::Auto, How::Http1, How::Tls] {
            let service = WebSocketLayer::new(|socket, _| echo(socket)).layer(service_fn(inner));
            let mut http1 = http1::Builder::new();
            http1.keep_alive(false);
            let mut auto = auto::Builder::new(TokioExecutor::new());
            auto.http1().keep_alive(false);
            let port = serve_by(service, how, http1, auto).await;
            let mut wire = port.connect().await;
            wire.write(Opening::of(Version::Hybi13).handshake.bytes()).await;
            confirm_101(&mut wire, "Upgrade, close").await;
            confirm_echo(wire).await;
        }
    });
}

#[test]
fn graceful_shutdown_of_the_server_appends_close_to_the_101() {
    run(async || {
        let (listener, port) = listen(false).await;
        let handler = async |ws: WebSocketUpgrade| ws.on_upgrade(echo);
        let (begin, begun) = oneshot::channel::<()>();
        let server = axum::serve(listener, Router::new().fallback(handler)).with_graceful_shutdown(async {
            let _ = begun.await;
        });
        let server = tokio::spawn(async move { server.await });
        let mut wire = port.connect().await;
        let handshake = Opening::of(Version::Hybi13).handshake.bytes();
        wire.write(&handshake[..20]).await;
        // A connection that hyper has read nothing from is closed instead.
        sleep(Duration::from_millis(50)).await;
        begin.send(()).unwrap();
        sleep(Duration::from_millis(50)).await;
        wire.write(&handshake[20..]).await;
        confirm_101(&mut wire, "Upgrade, close").await;
        confirm_echo(wire).await;
        server.await.unwrap().unwrap();
    });
}

fn extended_connect() -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = "https://example.com/chat".parse().unwrap();
    request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    request.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
    request
}

#[test]
fn connect_with_content_length_ends_the_http_2_connection() {
    run(async || {
        for stack in Stack::HTTP2 {
            let server = stack.serve(config()).await;
            let (client, connection) = h2::client::handshake(server.connect_http2().await).await.unwrap();
            let connection = tokio::spawn(connection);
            let mut client: SendRequest<Bytes> = client.ready().await.unwrap();
            let (response, _open) = client.send_request(extended_connect(), false).unwrap();
            assert_eq!(response.await.unwrap().status(), 200);
            let mut request = extended_connect();
            request.headers_mut().insert("content-length", "1".parse().unwrap());
            let (response, _stream) = client.send_request(request, false).unwrap();
            assert!(response.await.is_err());
            // Including its socket.
            drop(client);
            let _ = timeout(Duration::from_secs(5), connection).await.expect("the connection ends");
        }
    });
}

#[test]
fn cut_stream_without_a_window_keeps_its_http_2_connection() {
    run(async || {
        let shutdown = Shutdown::new();
        let layer = WebSocketLayer::new(async |mut socket: WebSocket, _| {
            let _ = socket.send("no window for this").await;
            echo(socket).await;
        });
        let service = TowerToHyperService::new(layer.shutdown(&shutdown).layer(service_fn(inner)));
        let (io, client) = tokio::io::duplex(64 * 1024);
        let mut server = auto::Builder::new(TokioExecutor::new());
        server.http2().enable_connect_protocol().initial_connection_window_size((1 << 31) - 1);
        let graceful = GracefulShutdown::new();
        let connection = server.serve_connection_with_upgrades(TokioIo::new(io), service).into_owned();
        tokio::spawn(graceful.watch(connection));
        let (client, connection) = h2::client::Builder::new().initial_window_size(0).handshake(client).await.unwrap();
        tokio::spawn(connection);
        let mut client: SendRequest<Bytes> = client.ready().await.unwrap();
        let (response, stream) = client.send_request(extended_connect(), false).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        while shutdown.open_sockets() == 0 {
            tokio::task::yield_now().await;
        }
        sleep(Duration::from_millis(50)).await;
        shutdown.begin(CloseCode::GOING_AWAY, "down").unwrap();
        assert_eq!(shutdown.wait(Duration::from_millis(50)).await, 1);
        let mut ended = Box::pin(graceful.shutdown());
        assert!(timeout(Duration::from_millis(500), &mut ended).await.is_err(), "hyper resets it now");
        // The client has to end it.
        drop((client, response, stream));
        timeout(Duration::from_secs(5), ended).await.expect("the connection ends");
    });
}

/// Fills the windows of two sockets of a connection whose servers do not read, since their replies
/// are not read. Returns whether a third socket works.
async fn third_socket_works(stack: Stack) -> bool {
    let server = stack.serve(config()).await;
    let mut connection = Connection::to(&server).await;
    let mut stuck = Vec::new();
    for _ in 0..2 {
        let mut client = connection.open(websocket(), None).await;
        let frame = Frame::binary([7; 60_000]).bytes();
        for _ in 0..200 {
            if timeout(Duration::from_millis(300), client.wire.write(&frame)).await.is_err() {
                break;
            }
        }
        stuck.push(client);
    }
    let third = async {
        let mut client = connection.open(websocket(), None).await;
        client.echo(&["hello"]).await;
        client.close().await;
    };
    timeout(Duration::from_secs(2), third).await.is_ok()
}

#[test]
fn wide_connection_window_isolates_sockets_that_are_not_received_from() {
    run(async || {
        for stack in [Stack::Tower, Stack::Tls] {
            assert!(third_socket_works(stack).await);
        }
    });
}

#[test]
fn sockets_under_axum_serve_share_the_connection_window() {
    run(async || assert!(!third_socket_works(Stack::Axum).await, "axum or hyper has another default now"));
}

/// Returns after how many seconds hyper closes a connection that sends only this, with a timer as
/// in the README or without.
async fn ends_after(has_timer: bool, sent: &[u8]) -> Option<u64> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    if has_timer {
        server.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10));
        server.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(20));
    }
    server.http2().enable_connect_protocol().initial_connection_window_size((1 << 31) - 1);
    let (io, client): (_, DuplexStream) = tokio::io::duplex(64 * 1024);
    let mut client = client;
    let service = TowerToHyperService::new(WebSocketLayer::new(|socket, _| echo(socket)).layer(service_fn(inner)));
    tokio::spawn(async move { server.serve_connection_with_upgrades(TokioIo::new(io), service).await.is_ok() });
    client.write_all(sent).await.unwrap();
    let start = Instant::now();
    let mut answer = Vec::new();
    let end = timeout(Duration::from_secs(24 * 3600), client.read_to_end(&mut answer)).await;
    end.ok().map(|_| start.elapsed().as_secs())
}

#[test]
fn half_sent_requests_end_only_with_a_timer() {
    run_paused(async || {
        let preface = &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..];
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let half_headers = [0, 0, 9, 1, 0, 0, 0, 0, 1, 0x82];
        let handshake = Opening::of(Version::Hybi13).handshake.bytes();
        for (sent, expected) in [
            (b"G".to_vec(), 10),
            (handshake[..handshake.len() - 1].to_vec(), 10),
            // A complete request, and then nothing.
            (b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n".to_vec(), 10),
            (preface.to_vec(), 40),
            ([preface, &settings[..5]].concat(), 40),
            ([preface, &settings].concat(), 40),
            ([preface, &settings, &half_headers].concat(), 40),
        ] {
            let sent = &sent[..];
            println!("{:?}", String::from_utf8_lossy(sent));
            let seen = ends_after(true, sent).await;
            assert_eq!(seen, Some(expected), "hyper-util before 0.1.18 does not use the paused clock");
            assert_eq!(ends_after(false, sent).await, None);
        }
        // hyper-util's detection of the version has no timeout in any case.
        assert_eq!(ends_after(true, b"").await, None);
        assert_eq!(ends_after(true, &preface[..20]).await, None);
    });
}
