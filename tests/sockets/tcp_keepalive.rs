//! TCP keepalive for the versions without pings, as configured on the system's socket.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::serve::ListenerExt;
use axum_websocket::WebSocketUpgrade;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use socket2::{SockRef, Socket};
use tokio::net::{TcpListener, TcpStream};
use tower::{Service, ServiceBuilder, service_fn};
use tower_websocket::{Config, ServerConfig, Version, WebSocket, WebSocketLayer, accept};
use websocket_tests::wire::VERSIONS;

use crate::client::{Client, Opening};
use crate::run::run;
use crate::wire::Wire;

const INTERVAL: Duration = Duration::from_secs(77);

/// Returns another handle to the same socket.
fn handle(stream: &TcpStream) -> Socket {
    SockRef::from(stream).try_clone().expect("another handle")
}

/// Returns its keepalive settings.
fn keepalive(socket: &Socket) -> Option<(Duration, Duration)> {
    let is_on = socket.keepalive().expect("an option");
    let times = || (socket.tcp_keepalive_time().expect("one"), socket.tcp_keepalive_interval().expect("one"));
    is_on.then(times)
}

fn config() -> ServerConfig {
    Config::server().allow_drafts(true).ping_interval(Some(INTERVAL))
}

fn expected(version: Version) -> Option<(Duration, Duration)> {
    version.is_hixie().then_some((INTERVAL, INTERVAL))
}

async fn open(addr: SocketAddr, version: Version) -> Client {
    let wire = Wire::new(TcpStream::connect(addr).await.unwrap());
    let mut client = Opening::of(version).on(wire).await;
    // Once a message is echoed, the handler owns the socket.
    client.echo(&["hello"]).await;
    client
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let _ = socket.send(message).await;
    }
}

#[test]
fn bare_tcp_enables_it_for_versions_without_pings_if_configured() {
    run(async || {
        for version in VERSIONS {
            for (config, expected) in [(config(), expected(version)), (config().ping_interval(None), None)] {
                let (server, client) = crate::pair::tcp().await;
                let socket = handle(&server);
                assert_eq!(keepalive(&socket), None);
                let opening = Opening::of(version);
                let mut wire = Wire::new(client);
                wire.write(opening.handshake.bytes()).await;
                let (accepted, _client) = tokio::join!(accept(server, config).into_future(), opening.confirmed(wire));
                let Ok(_server) = accepted else { panic!("no WebSocket") };
                assert_eq!(keepalive(&socket), expected, "{version}");
            }
        }
    });
}

#[test]
fn extreme_interval_is_harmless() {
    run(async || {
        for interval in [Duration::ZERO, Duration::from_millis(1), Duration::MAX] {
            let (server, client) = crate::pair::tcp().await;
            let opening = Opening::of(Version::Hixie75);
            let mut wire = Wire::new(client);
            wire.write(opening.handshake.bytes()).await;
            let accepting = accept(server, config().ping_interval(Some(interval))).into_future();
            let (accepted, mut client) = tokio::join!(accepting, opening.confirmed(wire));
            let Ok(mut socket) = accepted else { panic!("no WebSocket") };
            client.send(&["hello"]).await;
            assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("hello"), "{interval:?}");
        }
    });
}

#[test]
fn axum_enables_it() {
    run(async || {
        let router = axum::Router::new().fallback(async |ws: WebSocketUpgrade| ws.config(config()).on_upgrade(echo));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let accepted = Arc::new(Mutex::new(None));
        let listener = listener.tap_io({
            let accepted = accepted.clone();
            move |stream| *accepted.lock().unwrap() = Some(handle(stream))
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        for version in VERSIONS {
            let _client = open(addr, version).await;
            let socket = accepted.lock().unwrap().take().unwrap();
            assert_eq!(keepalive(&socket), expected(version), "{version}");
        }
    });
}

async fn inner(_: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    Ok(Response::new(Empty::new()))
}

/// Serves the next connection and returns another handle to its socket.
async fn serve_one<S, B>(listener: &TcpListener, service: S, is_auto: bool) -> Socket
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let (stream, _) = listener.accept().await.unwrap();
    let socket = handle(&stream);
    let (io, service) = (TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::spawn(async move {
        if is_auto {
            let builder = auto::Builder::new(TokioExecutor::new());
            drop(builder.serve_connection_with_upgrades(io, service).await);
        } else {
            drop(http1::Builder::new().serve_connection(io, service).with_upgrades().await);
        }
    });
    socket
}

#[test]
fn layer_enables_it() {
    run(async || {
        let layer = WebSocketLayer::new(|socket, _| echo(socket).boxed()).config(config());
        let service = ServiceBuilder::new().layer(layer).service(service_fn(inner));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        for is_auto in [false, true] {
            for version in VERSIONS {
                let (_client, socket) =
                    tokio::join!(open(addr, version), serve_one(&listener, service.clone(), is_auto));
                assert_eq!(keepalive(&socket), expected(version), "{version}, by auto: {is_auto}");
            }
        }
    });
}
