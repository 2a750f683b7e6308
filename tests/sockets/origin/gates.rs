//! The servers protected by the guard, and the requests sent to them.

use std::convert::Infallible;

use axum::extract::State;
use axum::response::Response as AxumResponse;
use axum::routing::any;
use axum::{Extension, Router};
use axum_websocket::WebSocketUpgrade;
use axum_websocket::rejection::OriginRejection;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{ServiceBuilder, service_fn};
use tower_websocket::origin::OriginRefusal;
use tower_websocket::{OriginGuard, Version, WebSocket, WebSocketLayer};
use websocket_tests::wire::{Answer, Handshake};

use crate::client::Opening;
use crate::serve::{How, Port, serve};
use crate::stacks::{INNER, axum, config};

/// Where the guard is applied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Gate {
    /// Around the WebSocket layer.
    Layer,
    /// The same with hyper's `http1`.
    Http1,
    /// The same over TLS.
    Tls,
    /// Around a router with the extractor.
    Router,
    /// In the handler.
    Extractor,
}

pub(super) const GATES: [Gate; 5] = [Gate::Layer, Gate::Http1, Gate::Tls, Gate::Router, Gate::Extractor];

pub(super) const HTTP2: [Gate; 4] = [Gate::Layer, Gate::Tls, Gate::Router, Gate::Extractor];

pub(super) const LAYERS: [Gate; 4] = [Gate::Layer, Gate::Http1, Gate::Tls, Gate::Router];

impl Gate {
    /// Starts a server.
    pub(super) async fn serve(self, guard: OriginGuard) -> Port {
        println!("{self:?}"); // Shown where the test fails.
        let layered = || {
            let config = if self == Self::Tls { config().wss_location(true) } else { config() };
            let sockets = WebSocketLayer::new(|socket, _: Request<()>| echo(socket)).config(config);
            ServiceBuilder::new().layer(guard.clone()).layer(sockets).service(service_fn(inner))
        };
        let plain = || async { (StatusCode::NOT_FOUND, INNER) };
        match self {
            Self::Layer => serve(layered(), How::Auto).await,
            Self::Http1 => serve(layered(), How::Http1).await,
            Self::Tls => serve(layered(), How::Tls).await,
            Self::Router => {
                let handler = async |ws: WebSocketUpgrade| ws.on_upgrade(echo);
                let chat = any(handler).layer(Extension(config()));
                axum(Router::new().route("/chat", chat).fallback(plain).layer(guard)).await
            }
            Self::Extractor => {
                let router = Router::new().route("/chat", any(extract)).fallback(plain);
                axum(router.with_state(guard)).await
            }
        }
    }
}

async fn extract(ws: WebSocketUpgrade, State(guard): State<OriginGuard>) -> Result<AxumResponse, OriginRejection> {
    Ok(ws.config(config()).check_origin(&guard)?.on_upgrade(echo))
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

async fn inner<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(INNER.into()));
    *response.status_mut() = StatusCode::NOT_FOUND;
    Ok(response)
}

pub(super) fn guard() -> OriginGuard {
    OriginGuard::new()
}

pub(super) fn localhost() -> OriginGuard {
    guard().hosts(["localhost", "127.0.0.1", "[::1]"]).expect("hosts")
}

/// Returns a handshake by a page of example.com to the same host.
pub(super) fn opening(port: Port, version: Version) -> Opening {
    let opening = Opening::of(version).target("/chat");
    if port.is_secure { opening.secure() } else { opening }
}

/// Returns a handshake by a page of another origin.
pub(super) fn foreign(version: Version, origin: &str) -> Handshake {
    let mut handshake = Opening::of(version).target("/chat").handshake;
    for (name, value) in &mut handshake.headers {
        if name.ends_with("Origin") {
            *value = origin.into();
        }
    }
    handshake
}

pub(super) async fn response(port: Port, handshake: &Handshake) -> (Answer, String) {
    let mut wire = port.connect().await;
    wire.write(handshake.bytes()).await;
    wire.response().await
}

pub(super) fn confirm_refusal((answer, body): &(Answer, String), refusal: OriginRefusal) {
    assert_eq!((answer.status, body.as_str()), (refusal.status().as_u16(), format!("{refusal}\n").as_str()));
    assert_eq!(answer.all("Content-Type"), ["text/plain; charset=utf-8"]);
    // It contains nothing else, and does not close the connection.
    let names: Vec<_> = answer.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    assert!(names.iter().all(|name| ["content-type", "content-length", "date"].contains(&name.as_str())), "{names:?}");
}

pub(super) fn confirm_inner((answer, body): &(Answer, String)) {
    assert_eq!((answer.status, body.as_str()), (404, INNER));
}
