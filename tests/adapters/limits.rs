//! The limit of connections per key, and other guards that a socket holds.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::any;
use axum_websocket::WebSocketUpgrade;
use axum_websocket::limit::ConnectionLimit;
use axum_websocket::rejection::LimitRejection;
use http::Request;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tower_websocket::client::{ConnectError, ResponseError};
use tower_websocket::error::ProtocolError;
use tower_websocket::limit::TooManyConnections;
use tower_websocket::test::{self, Peer};
use tower_websocket::{CloseCode, Config, WebSocket, answer, connect};
use websocket_tests::wire::Handshake as Head;

use crate::run::{run, run_paused};

type Limit = ConnectionLimit<String>;

async fn handler(
    ws: WebSocketUpgrade,
    State(limit): State<Limit>,
    Path(user): Path<String>,
) -> Result<Response, LimitRejection> {
    let permit = limit.acquire(user)?;
    Ok(ws.hold(permit).on_upgrade(|mut socket| async move { while let Some(Ok(_)) = socket.recv().await {} }))
}

fn app(limit: &Limit) -> Router {
    Router::new().route("/{user}", any(handler)).with_state(limit.clone())
}

async fn refused(url: &str) -> ResponseError {
    match connect(url).await {
        Err(ConnectError::Refused(ProtocolError::Response(refused))) => *refused,
        other => panic!("{other:?}"),
    }
}

/// Waits until a key has this number of connections.
async fn expect(limit: &Limit, key: &str, count: usize) {
    let key = key.to_owned();
    for _ in 0..500 {
        if limit.connections(&key) == count {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("{} instead of {count}", limit.connections(&key));
}

#[test]
fn connection_over_the_limit_is_refused_with_429_until_another_ends() {
    run(async || {
        let limit = Limit::with_retry_after(2, Duration::from_secs(7));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let app = app(&limit);
        tokio::spawn(async move { axum::serve(listener, app).await });
        let open = async |user: &str| connect(format!("{url}/{user}")).await.unwrap().0;
        let (mut first, second) = (open("ann").await, open("ann").await);
        let refusal = refused(&format!("{url}/ann")).await;
        assert_eq!((refusal.status.unwrap().as_u16(), &refusal.headers["retry-after"]), (429, &"7".parse().unwrap()));
        assert_eq!(refusal.body, "too many connections\n");
        // Other keys are counted separately.
        let _other = open("bob").await;
        first.close(CloseCode::NORMAL, "").await.unwrap();
        expect(&limit, "ann", 1).await;
        let third = open("ann").await;
        // Without a close frame.
        drop((second, third));
        expect(&limit, "ann", 0).await;
        assert_eq!(format!("{limit:?}"), "ConnectionLimit { max: 2, keys: 1, .. }");
    });
}

#[test]
fn permit_is_released_if_the_handshake_fails() {
    run_paused(async || {
        let limit = Limit::new(1);
        // The 8 bytes of hixie-76 do not arrive, so the upgrade times out.
        let drafts = axum::Extension(Config::server().allow_drafts(true));
        let mut peer = Peer::new(test::serve(app(&limit).layer(drafts)));
        let mut head = Head::of(tower_websocket::Version::Hixie76);
        head.target = "/ann".into();
        head.body.clear();
        peer.send_raw(head.bytes());
        sleep(Duration::from_millis(100)).await;
        expect(&limit, "ann", 1).await;
        sleep(Duration::from_secs(60)).await;
        expect(&limit, "ann", 0).await;
        // A version that the configuration does not allow.
        let mut peer = Peer::new(test::serve(app(&limit)));
        peer.send_raw(head.bytes());
        peer.expect_raw("HTTP/1.1 426").await;
        expect(&limit, "ann", 0).await;
    });
}

#[test]
fn permit_is_held_for_as_long_as_anything_of_the_socket() {
    run_paused(async || {
        let limit = ConnectionLimit::new(1);
        let open = async || {
            let (mut socket, peer) = test::server("/", Config::server()).await;
            socket.hold(limit.acquire("ann").unwrap());
            (socket, peer)
        };
        let (socket, _peer) = open().await;
        // A sender that does not keep the connection open does not hold the permit.
        let weak = socket.sender();
        drop(socket);
        expect_static(&limit, 0).await;
        drop(weak);
        let (socket, _peer) = open().await;
        let (sender, reader) = socket.split();
        drop(reader);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(limit.connections(&"ann"), 1);
        drop(sender);
        expect_static(&limit, 0).await;
        // A connection that has timed out counts until its handler returns.
        let (mut socket, peer) = open().await;
        drop(peer);
        assert!(socket.recv().await.is_none());
        assert_eq!(limit.connections(&"ann"), 1);
        drop(socket);
        expect_static(&limit, 0).await;
    });
}

async fn expect_static(limit: &ConnectionLimit<&'static str>, count: usize) {
    for _ in 0..100 {
        sleep(Duration::from_secs(1)).await;
        if limit.connections(&"ann") == count {
            return;
        }
    }
    panic!("{} instead of {count}", limit.connections(&"ann"));
}

#[test]
fn guards_of_any_kind_are_dropped_with_a_pending_socket_and_with_a_socket() {
    run_paused(async || {
        let semaphore = Arc::new(Semaphore::new(3));
        let permit = || semaphore.clone().try_acquire_owned().unwrap();
        let request = Request::get("/").header("host", "localhost").header("connection", "upgrade");
        let request = request.header("upgrade", "websocket").header("sec-websocket-version", "13");
        let request = request.header("sec-websocket-key", websocket_tests::wire::KEY).body(()).unwrap();
        let (_, pending) = answer(&request, &Config::server()).unwrap();
        let pending = pending.hold(permit()).hold(permit());
        assert_eq!(semaphore.available_permits(), 1);
        drop(pending);
        assert_eq!(semaphore.available_permits(), 3);
        let (_, pending) = answer(&request, &Config::server()).unwrap();
        let (io, other) = test::transport();
        let mut socket: WebSocket<_> = pending.hold(permit()).open(io, "").await.unwrap();
        socket.hold(permit());
        assert_eq!(semaphore.available_permits(), 1);
        drop((socket, other));
        sleep(Duration::from_secs(60)).await;
        assert_eq!(semaphore.available_permits(), 3);
    });
}

#[test]
fn limit_counts_under_contention() {
    run(async || {
        let limit = ConnectionLimit::new(3);
        let tasks = (0..64).map(|i| {
            let limit = limit.clone();
            tokio::task::spawn_blocking(move || {
                for _ in 0..1000 {
                    let permit: Result<_, TooManyConnections> = limit.acquire(i % 2);
                    assert!(limit.connections(&(i % 2)) <= 3);
                    drop(permit);
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_eq!((limit.connections(&0), limit.connections(&1)), (0, 0));
        assert!(format!("{limit:?}").contains("keys: 0"));
    });
}

#[test]
fn connection_that_breaks_off_releases_its_permit() {
    run(async || {
        let limit = Limit::new(1);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let app = app(&limit);
        tokio::spawn(async move { axum::serve(listener, app).await });
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_zero_linger().unwrap();
        let (socket, _) = connect("ws://localhost/ann").over(stream).await.unwrap();
        expect(&limit, "ann", 1).await;
        // A reset.
        drop(socket);
        expect(&limit, "ann", 0).await;
    });
}
