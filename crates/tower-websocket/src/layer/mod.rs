//! The Tower layer, and the service and responses that it makes.

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

/// Hands WebSocket handshakes to a handler, and every other request, untouched, to the inner service.
///
/// The handler is given the socket and the head of the request, once the handshake is done, and runs in a task of its
/// own. An `Upgrade` header on HTTP/1.0 is ignored (RFC 9110 §7.8), so such a request goes to the inner service.
///
/// A handshake that cannot be accepted is refused with the status and text of an [`UpgradeRefusal`](crate::UpgradeRefusal), which is
/// also in the extensions of the response, so that outer layers can count or log refusals.
///
/// It works over any body types, wherever hyper serves connections with upgrades: under `axum::serve`, over
/// `hyper_util::server::conn::auto::Builder::serve_connection_with_upgrades`, over TLS, on HTTP/1.1, and on HTTP/2 where
/// the server has `enable_connect_protocol()` set. On axum use `Router::layer`, not `route_layer`, and with `Router::nest` an
/// [`OriginalUriLayer`](crate::OriginalUriLayer) as well.
///
/// # Setting up hyper
///
/// - Without a timer hyper holds half-sent requests and silent HTTP/2 connections for as long as their clients like. Set
///   `http1().timer(TokioTimer::new())`, which ends requests whose head takes longer than 30 seconds, and on HTTP/2 a timer and
///   `keep_alive_interval`. hyper-util's `auto` has no time limit for a connection that sends nothing, or only the beginning of the
///   HTTP/2 preface, as it does not know the version then. `axum::serve` sets no timer.
/// - On HTTP/2 set `initial_connection_window_size((1 << 31) - 1)` beside `enable_connect_protocol()`. What a client sends to a
///   socket that is not received from counts against the window of the whole connection, which is 1 MiB by default: two such
///   sockets stop all others. The window of each stream, 1 MiB by default, remains. `axum::serve` leaves the default.
/// - On HTTP/1.1 hyper adds `close` to the `Connection` header of the 101 once its own graceful shutdown has begun, or when
///   `keep_alive(false)` is set or the client asks to close. Many clients then refuse the answer. Begin a [`Shutdown`] before the server's own.
/// - On HTTP/2 hyper ends the connection, with all its sockets, on a CONNECT request with a `content-length` other than 0.
/// - `http1().half_close(true)` has hyper answer clients that end their output right behind the handshake.
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
///
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
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
/// let service = ServiceBuilder::new().layer(WebSocketLayer::new(echo)).service(service_fn(
///     |_: Request<hyper::body::Incoming>| async {
///         Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("Try a WebSocket.\n"))))
///     },
/// ));
/// # let _ = service;
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
    /// A layer with this handler, `async fn(WebSocket, Request<()>)`, which is cloned for every connection.
    pub fn new(handler: H) -> Self {
        Self { handler, config: Config::server(), on_failed_upgrade: None, shutdown: None }
    }

    /// Limits, subprotocols and drafts: [`Config::server`] by default.
    pub fn config(self, config: ServerConfig) -> Self {
        Self { config, ..self }
    }

    /// Puts the sockets among those that a shutdown closes. Once it was begun, handshakes are answered with 503.
    pub fn shutdown(self, shutdown: &Shutdown) -> Self {
        Self { shutdown: Some(shutdown.clone()), ..self }
    }

    /// What is called where no socket comes of a handshake that was accepted: the peer was gone, or too slow, or the
    /// server does not serve connections with upgrades. By default nobody is told.
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
