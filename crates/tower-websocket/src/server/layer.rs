use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;
use websocket_driver::Config;

use super::service::{FailedUpgrade, WebSocketService};
use crate::shutdown::Shutdown;
use crate::upgrade::UpgradeError;

/// Hands WebSocket handshakes to a handler, and every other request, untouched, to the inner service.
///
/// The handler is given the socket and the head of the request, once the handshake is done, and runs in a task of its
/// own. A handshake that cannot be accepted is answered with 400 or 426 and a line that says why. An `Upgrade` header on
/// HTTP/1.0 is ignored (RFC 9110 §7.8), so such a request goes to the inner service.
///
/// It works over any body types, wherever hyper serves connections with upgrades: under `axum::serve`, over
/// `hyper_util::server::conn::auto::Builder::serve_connection_with_upgrades`, over TLS, on HTTP/1.1, and on HTTP/2 where
/// the server has `enable_connect_protocol()` set. On axum use `Router::layer`, not `route_layer`, and with `Router::nest` an
/// [`OriginalUriLayer`](crate::OriginalUriLayer) as well.
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
pub struct WebSocketLayer<H> {
    handler: H,
    config: Config,
    on_failed_upgrade: Option<Arc<FailedUpgrade>>,
    shutdown: Option<Shutdown>,
}

impl<H> WebSocketLayer<H> {
    /// A layer with this handler, `async fn(WebSocket, Request<()>)`, which is cloned for every connection.
    pub fn new(handler: H) -> Self {
        Self { handler, config: Config::server(), on_failed_upgrade: None, shutdown: None }
    }

    /// Limits, subprotocols and drafts: [`Config::server`] by default.
    pub fn config(self, config: Config) -> Self {
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
