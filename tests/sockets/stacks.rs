//! The ways to serve WebSockets, all with the same echo handler.

use std::convert::Infallible;

use axum::{Extension, Router};
use axum_websocket::WebSocketUpgrade;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tower::{ServiceBuilder, service_fn};
use tower_websocket::{CloseFrame, Config, ServerConfig, Version, WebSocket, WebSocketLayer, accept};
use websocket_tests::chain::chain;

use crate::client::{Client, Opening};
use crate::serve::{How, Port, each, listen, serve};
use crate::wire::{Transport, Wire};

/// The body of the 404 response of a layer's inner service.
pub(crate) const INNER: &str = "the inner service";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stack {
    /// The extractor with an unmodified `axum::serve`.
    Axum,
    /// The layer on a router.
    AxumLayer,
    /// The layer with hyper-util's `auto`.
    Tower,
    /// The layer with hyper's `http1`.
    Hyper,
    /// Like `Tower`, over TLS.
    Tls,
    /// The driver reads the request itself.
    Tcp,
}

/// An event on the server's side of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Opened { version: Version, protocol: Option<String> },
    Closed(Option<CloseFrame>),
    Failed(String),
}

/// A running server that reports events.
pub(crate) struct Server {
    pub(crate) port: Port,
    seen: UnboundedReceiver<Seen>,
}

/// Returns a configuration with all drafts and two subprotocols.
pub(crate) fn config() -> ServerConfig {
    Config::server().allow_drafts(true).protocols(["superchat", "chat"])
}

impl Stack {
    pub(crate) const ALL: [Self; 6] = [Self::Axum, Self::AxumLayer, Self::Tower, Self::Hyper, Self::Tls, Self::Tcp];

    /// The stacks with a layer, which has access to the body of a request.
    pub(crate) const LAYERS: [Self; 4] = [Self::AxumLayer, Self::Tower, Self::Hyper, Self::Tls];

    /// The stacks that support HTTP/2.
    pub(crate) const HTTP2: [Self; 4] = [Self::Axum, Self::AxumLayer, Self::Tower, Self::Tls];

    /// Starts a server.
    pub(crate) async fn serve(self, config: ServerConfig) -> Server {
        println!("{self:?}"); // Shown where the test fails.
        let config = if self == Self::Tls { config.wss_location(true) } else { config };
        let (sender, seen) = unbounded_channel();
        let layered = || ServiceBuilder::new().layer(layer(config.clone(), sender.clone())).service(service_fn(inner));
        let port = match self {
            Self::Axum => axum(extractor(config, sender)).await,
            Self::AxumLayer => {
                let fallback = Router::new().fallback(|| async { (StatusCode::NOT_FOUND, INNER) });
                axum(fallback.layer(layer(config, sender))).await
            }
            Self::Tower => serve(layered(), How::Auto).await,
            Self::Hyper => serve(layered(), How::Http1).await,
            Self::Tls => serve(layered(), How::Tls).await,
            Self::Tcp => each(false, move |stream| tcp(stream, config.clone(), sender.clone())).await,
        };
        Server { port, seen }
    }
}

impl Server {
    /// Opens a connection for HTTP/1.1.
    pub(crate) async fn connect(&self) -> Wire {
        self.port.connect().await
    }

    /// Opens a connection for HTTP/2.
    pub(crate) async fn connect_http2(&self) -> Box<dyn Transport> {
        self.port.connect_http2().await
    }

    /// Returns the handshake of a version for this server.
    pub(crate) fn opening(&self, version: Version) -> Opening {
        if self.port.is_secure { Opening::of(version).secure() } else { Opening::of(version) }
    }

    /// Opens a connection of a version.
    pub(crate) async fn open(&self, version: Version) -> Client {
        self.opening(version).on(self.connect().await).await
    }

    /// Returns the next event of any socket.
    pub(crate) async fn seen(&mut self) -> Seen {
        self.seen.recv().await.expect("the server runs")
    }
}

/// Starts an unmodified `axum::serve`.
pub(crate) async fn axum(router: Router) -> Port {
    let (listener, port) = listen(false).await;
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

/// Echoes messages, and closes with 4000 and "bye" on "close".
async fn echo<T: Transport>(mut socket: WebSocket<T>, seen: UnboundedSender<Seen>) {
    let _ = seen.send(Seen::Opened { version: socket.version(), protocol: socket.protocol().map(Into::into) });
    while let Some(Ok(message)) = socket.recv().await {
        if message.as_text() == Some("close") {
            let _ = socket.close(4000.into(), "bye").await;
        } else if socket.send(message).await.is_err() {
            break;
        }
    }
    let _ = seen.send(Seen::Closed(socket.close_frame().cloned()));
}

fn layer(
    config: ServerConfig,
    seen: UnboundedSender<Seen>,
) -> WebSocketLayer<impl Fn(WebSocket, Request<()>) -> BoxFuture<'static, ()> + Clone + Send> {
    let failed = seen.clone();
    WebSocketLayer::new(move |socket, _| echo(socket, seen.clone()).boxed()).config(config).on_failed_upgrade(
        move |error| {
            let _ = failed.send(Seen::Failed(chain(&error)));
        },
    )
}

fn extractor(config: ServerConfig, seen: UnboundedSender<Seen>) -> Router {
    let handler = async move |ws: WebSocketUpgrade| {
        let (seen, failed) = (seen.clone(), seen.clone());
        ws.on_failed_upgrade(move |error| {
            let _ = failed.send(Seen::Failed(chain(&error)));
        })
        .on_upgrade(move |socket| echo(socket, seen))
    };
    Router::new().fallback(handler).layer(Extension(config))
}

pub(crate) async fn inner(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(INNER.into()));
    *response.status_mut() = StatusCode::NOT_FOUND;
    Ok(response)
}

async fn tcp(stream: TcpStream, config: ServerConfig, seen: UnboundedSender<Seen>) {
    match accept(stream, config).await {
        Ok(socket) => echo(socket, seen).await,
        Err(error) => {
            let _ = seen.send(Seen::Failed(chain(&error)));
        }
    }
}

/// Creates a test of a function for every stack.
macro_rules! on_every_stack {
    ($($name:ident)*) => {
        $crate::stacks::on_every_stack! { @ Axum, axum, [$($name)*] }
        $crate::stacks::on_every_stack! { @ AxumLayer, axum_layer, [$($name)*] }
        $crate::stacks::on_every_stack! { @ Tower, tower, [$($name)*] }
        $crate::stacks::on_every_stack! { @ Hyper, hyper, [$($name)*] }
        $crate::stacks::on_every_stack! { @ Tls, tls, [$($name)*] }
        $crate::stacks::on_every_stack! { @ Tcp, tcp, [$($name)*] }
    };
    (@ $stack:ident, $module:ident, [$($name:ident)*]) => {
        mod $module {
            $(
                #[test]
                fn $name() {
                    $crate::run::run(async || super::$name($crate::stacks::Stack::$stack).await);
                }
            )*
        }
    };
}
pub(crate) use on_every_stack;
