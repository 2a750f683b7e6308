//! The Tower layer with its service, body and future.

pub(crate) mod body;
pub(crate) mod future;
pub(crate) mod original_uri;
pub(crate) mod service;

use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;
use websocket_driver::{Config, ServerConfig};

use self::service::{FailedUpgrade, WebSocketService};
use crate::shutdown::Shutdown;
use crate::upgrade::error::UpgradeError;

/// Passes WebSocket handshakes to a handler, and every other request to the inner service
/// unchanged.
///
/// The handler receives the socket and the head of the request once the handshake is complete, and
/// runs in a separate task. An `Upgrade` header on HTTP/1.0 is ignored (RFC 9110 §7.8), so such a
/// request is passed to the inner service.
///
/// A handshake that cannot be accepted is refused with the status and text of an
/// [`UpgradeRefusal`](crate::server::UpgradeRefusal), which is also in the extensions of the
/// response, so that outer layers can count or log refusals.
///
/// It works with any body type, and with any hyper server that serves connections with upgrades:
/// `axum::serve`, `hyper_util::server::conn::auto::Builder::serve_connection_with_upgrades`, over
/// TLS, on HTTP/1.1, and on HTTP/2 if the server sets `enable_connect_protocol()`. On axum, use
/// `Router::layer`, not `route_layer`, and with `Router::nest` also an
/// [`OriginalUriLayer`](crate::server::OriginalUriLayer).
///
/// # Configuring hyper
///
/// - Without a timer, hyper keeps half-sent requests and silent HTTP/2 connections for as long as
///   their clients do. Set `http1().timer(TokioTimer::new())`, which ends requests whose head
///   takes longer than 30 seconds, and on HTTP/2 a timer and `keep_alive_interval`. hyper-util's
///   `auto` has no timeout for a connection that sends nothing, or only the start of the HTTP/2
///   preface, since the version is not known yet. `axum::serve` sets no timer.
/// - On HTTP/2, set `initial_connection_window_size((1 << 31) - 1)` as well as
///   `enable_connect_protocol()`. Data sent to a socket that does not receive it counts against the
///   window of the whole connection, 1 MiB by default: two such sockets block all others. The
///   window of each stream, 1 MiB by default, remains. `axum::serve` uses the default.
/// - On HTTP/1.1, hyper adds `close` to the `Connection` header of the 101 once its own graceful
///   shutdown has started, if `keep_alive(false)` is set, or if the client requests it. Many
///   clients then reject the response, and all do with hyper before 1.12, which replaces `Upgrade`
///   by `close`. Start a [`Shutdown`] before that of the server.
/// - On HTTP/2, hyper closes the connection with all its sockets if a CONNECT request has a
///   `content-length` other than 0.
/// - `http1().half_close(true)` lets hyper answer clients that close their output right after the
///   handshake. Otherwise it drops the request, unless it notices too late. `axum::serve` does not
///   set it.
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
/// use std::time::Duration;
///
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
/// use hyper_util::server::conn::auto;
/// use hyper_util::service::TowerToHyperService;
/// use tokio::net::TcpListener;
/// use tower::{ServiceBuilder, service_fn};
/// use tower_websocket::{WebSocket, WebSocketLayer};
///
/// async fn echo(mut socket: WebSocket, request: Request<()>) {
///     println!("{} by {}", request.uri(), socket.version());
///     while let Some(Ok(message)) = socket.recv().await {
///         if socket.send(message).await.is_err() {
///             break;
///         }
///     }
/// }
///
/// async fn serve(listener: TcpListener) -> std::io::Result<()> {
///     let service = ServiceBuilder::new().layer(WebSocketLayer::new(echo)).service(service_fn(
///         |_: Request<hyper::body::Incoming>| async {
///             Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("Try a WebSocket.\n"))))
///         },
///     ));
///     let service = TowerToHyperService::new(service);
///     let mut server = auto::Builder::new(TokioExecutor::new());
///     server.http1().timer(TokioTimer::new()).half_close(true);
///     server
///         .http2()
///         .timer(TokioTimer::new())
///         .keep_alive_interval(Duration::from_secs(20))
///         .enable_connect_protocol()
///         .initial_connection_window_size((1 << 31) - 1);
///     loop {
///         let (stream, _) = listener.accept().await?;
///         let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service.clone());
///         tokio::spawn(connection.into_owned());
///     }
/// }
/// ```
#[derive(Clone)]
#[must_use]
pub struct WebSocketLayer<H> {
    handler: H,
    config: ServerConfig,
    on_failed_upgrade: Option<Arc<FailedUpgrade>>,
    shutdown: Option<Shutdown>,
}

impl<H> WebSocketLayer<H> {
    /// Creates a layer with a handler, `async fn(WebSocket, Request<()>)`, which is cloned for
    /// every connection.
    pub fn new(handler: H) -> Self {
        Self { handler, config: Config::server(), on_failed_upgrade: None, shutdown: None }
    }

    /// Sets the configuration. Default: [`Config::server`].
    pub fn config(self, config: ServerConfig) -> Self {
        Self { config, ..self }
    }

    /// Adds the sockets to those that a shutdown closes. Once it has begun, handshakes are refused
    /// with 503.
    pub fn shutdown(self, shutdown: &Shutdown) -> Self {
        Self { shutdown: Some(shutdown.clone()), ..self }
    }

    /// Sets a callback for accepted handshakes that do not result in a socket: the peer has
    /// disconnected or was too slow, or the server does not serve connections with upgrades.
    /// Default: none.
    pub fn on_failed_upgrade(self, callback: impl Fn(UpgradeError) + Send + Sync + 'static) -> Self {
        Self { on_failed_upgrade: Some(Arc::new(callback)), ..self }
    }
}

impl<S, H: Clone> Layer<S> for WebSocketLayer<H> {
    type Service = WebSocketService<S, H>;

    fn layer(&self, inner: S) -> Self::Service {
        WebSocketService {
            inner,
            handler: self.handler.clone(),
            config: self.config.clone(),
            on_failed_upgrade: self.on_failed_upgrade.clone(),
            shutdown: self.shutdown.clone(),
        }
    }
}

impl<H> fmt::Debug for WebSocketLayer<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketLayer").field("config", &self.config).finish_non_exhaustive()
    }
}
