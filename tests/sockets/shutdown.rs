//! Orderly shutdown of all sockets of a server.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::any;
use axum_websocket::WebSocketUpgrade;
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tower::Layer;
use tower_websocket::{CloseCode, Config, SendError, Shutdown, Version, WebSocket, WebSocketLayer, connect};
use websocket_tests::wire::{Answer, Frame, Handshake, ServerFrame, VERSIONS};

use crate::client::Opening;
use crate::pair::{over_memory, over_tcp};
use crate::run::{run, run_paused};
use crate::wire::Wire;

/// Starts axum with an echo handler that a shutdown ends. Returns its address and its task.
async fn serve(shutdown: &Shutdown, graceful: bool) -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
    async fn echo(State(shutdown): State<Shutdown>, ws: WebSocketUpgrade) -> axum::response::Response {
        ws.config(Config::server().allow_drafts(true)).shutdown(&shutdown).on_upgrade(async |mut socket| {
            while let Some(Ok(message)) = socket.recv().await {
                let _ = socket.send(message).await;
            }
        })
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = axum::serve(listener, Router::new().route("/", any(echo)).with_state(shutdown.clone()));
    let begun = shutdown.clone();
    let task = tokio::spawn(async move {
        if graceful {
            let signal = async move {
                while !begun.has_begun() {
                    tokio::task::yield_now().await;
                }
            };
            server.with_graceful_shutdown(signal).await.unwrap();
        } else {
            server.await.unwrap();
        }
    });
    (addr, task)
}

#[test]
fn every_version_is_closed_in_its_way_and_waited_for() {
    run(async || {
        let shutdown = Shutdown::new();
        let (addr, _server) = serve(&shutdown, false).await;
        let mut clients = Vec::new();
        for version in VERSIONS {
            let wire = Wire::new(TcpStream::connect(addr).await.unwrap());
            let mut client = Opening::of(version).target("/").on(wire).await;
            client.send(&["hello"]).await;
            assert_eq!(client.text().await, "hello");
            clients.push(client);
        }
        assert_eq!(shutdown.open_sockets(), VERSIONS.len());
        shutdown.begin(CloseCode::GOING_AWAY, "down").unwrap();
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.wait(Duration::from_secs(5)).await }
        });
        for mut client in clients {
            match client.version {
                Version::Hixie75 => {}
                Version::Hixie76 => assert_eq!(client.wire.bytes(2).await, [0xff, 0x00]),
                _ => {
                    assert_eq!(client.wire.frame().await, ServerFrame::close(1001, "down"));
                    client.wire.write(Frame::close(1001, "").bytes()).await;
                }
            }
            if client.version == Version::Hixie76 {
                client.wire.write([0xff, 0x00]).await;
            }
            client.wire.eof().await;
        }
        assert_eq!(waiting.await.unwrap(), 0);
        assert_eq!(shutdown.open_sockets(), 0);
        // A second call changes nothing.
        shutdown.begin(CloseCode::NORMAL, "").unwrap();
    });
}

#[test]
fn handshakes_are_refused_after_begin() {
    run(async || {
        let shutdown = Shutdown::new();
        let (addr, _server) = serve(&shutdown, false).await;
        shutdown.begin(CloseCode::SERVICE_RESTART, "").unwrap();
        let mut wire = Wire::new(TcpStream::connect(addr).await.unwrap());
        let mut handshake = Handshake::of(Version::Hybi13);
        handshake.target = "/".into();
        // The connection continues to serve requests.
        for _ in 0..2 {
            wire.write(handshake.bytes()).await;
            let head = wire.head().await;
            let (answer, _) = Answer::read(&head).unwrap();
            assert_eq!(answer.status, 503);
            let length = answer.all("content-length")[0].parse().unwrap();
            assert_eq!(wire.bytes(length).await, b"server is shutting down\n");
        }
        assert_eq!(shutdown.wait(Duration::from_secs(5)).await, 0);
    });
}

#[test]
fn graceful_shutdown_of_axum_ends_on_http_2() {
    run(async || {
        let shutdown = Shutdown::new();
        let (addr, server) = serve(&shutdown, true).await;
        let (mut one, _) = connect(format!("ws://{addr}/")).await.unwrap();
        let (mut two, _) = connect(format!("ws://{addr}/")).http2().await.unwrap();
        shutdown.begin(CloseCode::GOING_AWAY, "down").unwrap();
        for socket in [&mut one, &mut two] {
            assert!(socket.recv().await.is_none());
            assert_eq!(socket.close_frame().unwrap().code, CloseCode::GOING_AWAY);
        }
        assert_eq!(shutdown.wait(Duration::from_secs(5)).await, 0);
        drop((one, two));
        tokio::time::timeout(Duration::from_secs(5), server).await.expect("it ends").unwrap();
    });
}

#[test]
fn graceful_shutdown_of_hyper_util_ends_with_the_layer_on_both_http_versions() {
    run(async || {
        let shutdown = Shutdown::new();
        let layer = WebSocketLayer::new(async |mut socket: WebSocket, _: Request<()>| {
            while let Some(Ok(message)) = socket.recv().await {
                let _ = socket.send(message).await;
            }
        });
        let inner = tower::service_fn(async |_: Request<Incoming>| Ok::<_, Infallible>(Response::new(String::new())));
        let service = layer.shutdown(&shutdown).layer(inner);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let graceful = GracefulShutdown::new();
        let (connections, mut accepted) = tokio::sync::mpsc::unbounded_channel();
        let accepting = tokio::spawn(async move {
            let mut server = auto::Builder::new(TokioExecutor::new());
            server.http2().enable_connect_protocol().initial_connection_window_size((1 << 31) - 1);
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = TowerToHyperService::new(service.clone());
                let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
                let _ = connections.send(connection);
            }
        });
        let connecting = tokio::spawn(async move {
            let (one, _) = connect(format!("ws://{addr}/")).await.unwrap();
            (one, connect(format!("ws://{addr}/")).http2().await.unwrap().0)
        });
        for _ in 0..2 {
            tokio::spawn(graceful.watch(accepted.recv().await.unwrap()));
        }
        let (mut one, mut two) = connecting.await.unwrap();
        accepting.abort();
        shutdown.begin(CloseCode::GOING_AWAY, "down").unwrap();
        for socket in [&mut one, &mut two] {
            assert!(socket.recv().await.is_none());
            assert_eq!(socket.close_frame().unwrap().code, CloseCode::GOING_AWAY);
        }
        assert_eq!(shutdown.wait(Duration::from_secs(5)).await, 0);
        drop((one, two));
        tokio::time::timeout(Duration::from_secs(5), graceful.shutdown()).await.expect("it ends");
    });
}

#[test]
fn peer_that_does_not_answer_is_cut_at_the_limit() {
    run_paused(async || {
        let shutdown = Shutdown::new();
        // One whose owner receives, and one whose owner does something else.
        let (mut receiving, mut silent) = over_memory(1024, Version::Hybi13, Config::server()).await;
        let (mut elsewhere, mut other) = over_memory(1024, Version::Hybi13, Config::server()).await;
        receiving.join_shutdown(&shutdown);
        elsewhere.join_shutdown(&shutdown);
        let receiver = tokio::spawn(async move {
            let outcome = receiving.recv().await.is_none();
            (outcome, receiving.close_frame().map(|close| close.code))
        });
        let owner = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            drop(elsewhere);
        });
        tokio::task::yield_now().await;
        let begun = Instant::now();
        shutdown.begin(CloseCode::GOING_AWAY, "down").unwrap();
        // The close frame is written although the socket is not polled.
        assert_eq!(other.wire.frame().await, ServerFrame::close(1001, "down"));
        assert_eq!(silent.wire.frame().await, ServerFrame::close(1001, "down"));
        assert_eq!(shutdown.wait(Duration::from_secs(3)).await, 2);
        assert_eq!(begun.elapsed(), Duration::from_secs(3));
        other.wire.eof().await;
        silent.wire.eof().await;
        assert_eq!(receiver.await.unwrap(), (true, Some(CloseCode::ABNORMAL)));
        owner.abort();
    });
}

#[test]
fn closes_can_be_spread_over_time() {
    run_paused(async || {
        let shutdown = Shutdown::new();
        let mut clients = Vec::new();
        for _ in 0..50 {
            let config = Config::server().ping_interval(None);
            let (mut socket, client) = over_memory(1024, Version::Hybi13, config).await;
            socket.join_shutdown(&shutdown);
            tokio::spawn(async move { while let Some(Ok(_)) = socket.recv().await {} });
            clients.push(client);
        }
        let begun = Instant::now();
        let times: Vec<_> = clients
            .into_iter()
            .map(|mut client| {
                tokio::spawn(async move {
                    assert_eq!(client.wire.frame().await.close_code(), Some(1012));
                    let time = Instant::now();
                    client.wire.write(Frame::close(1012, "").bytes()).await;
                    time
                })
            })
            .collect();
        let over = Duration::from_millis(100);
        shutdown.begin_over(over, CloseCode::SERVICE_RESTART, "").await.unwrap();
        assert_eq!(shutdown.wait(Duration::from_secs(5)).await, 0);
        let (mut early, mut late) = (0, 0);
        for time in times {
            let time = time.await.unwrap() - begun;
            // A timer is late by up to a millisecond, and so are all of them together.
            assert!(time <= over + Duration::from_millis(2), "{time:?}");
            if time < over / 2 { early += 1 } else { late += 1 }
        }
        // All on one side happens by chance once in 2^49 times.
        assert!(early > 0 && late > 0, "{early} early, {late} late");
    });
}

#[test]
fn socket_that_joins_late_is_closed_at_once() {
    run(async || {
        let shutdown = Shutdown::new();
        assert_eq!(shutdown.begin(CloseCode::ABNORMAL, ""), Err(SendError::InvalidCloseCode(CloseCode::ABNORMAL)));
        assert!(!shutdown.has_begun());
        shutdown.begin(CloseCode::GOING_AWAY, "").unwrap();
        let (mut socket, mut client) = over_tcp(Version::Hybi13, Config::server()).await;
        socket.join_shutdown(&shutdown);
        assert_eq!(client.wire.frame().await.close_code(), Some(1001));
        drop(socket);
        assert_eq!(shutdown.wait(Duration::from_secs(5)).await, 0);
    });
}

#[test]
fn last_bytes_of_a_dropped_socket_are_waited_for() {
    run_paused(async || {
        let shutdown = Shutdown::new();
        let (mut socket, mut client) = over_memory(256, Version::Hybi13, Config::server()).await;
        socket.join_shutdown(&shutdown);
        // The reply to the first is held back until the second is received, which never happens.
        client.send(&["one", "two"]).await;
        assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("one"));
        let answer = "x".repeat(1000);
        socket.send(answer.as_str()).await.unwrap();
        drop(socket);
        assert_eq!(shutdown.open_sockets(), 1);
        shutdown.begin(CloseCode::GOING_AWAY, "down").unwrap();
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.wait(Duration::from_secs(5)).await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished());
        assert_eq!(client.text().await, answer);
        assert_eq!(waiting.await.unwrap(), 0);
    });
}
