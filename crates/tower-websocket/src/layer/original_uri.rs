use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;
use websocket_driver::OriginalUri;

/// A layer that stores the URI of each request as [`OriginalUri`], for inner services that rewrite
/// the URI.
///
/// `axum::Router::nest` removes its prefix, and `NormalizePath` of tower-http removes a trailing
/// slash. A client of the hixie drafts would receive another location than the one it requested and
/// fail the connection, and observers would receive the shortened path. Use this layer before the
/// URI is rewritten:
///
/// ```
/// use http::Request;
/// use tower::ServiceBuilder;
/// use tower_websocket::server::OriginalUriLayer;
/// use tower_websocket::{WebSocket, WebSocketLayer};
///
/// async fn chat(mut socket: WebSocket, request: Request<()>) {
///     let _ = socket.send(format!("this is {}", request.uri())).await;
/// }
///
/// fn without_prefix<B>(mut request: Request<B>) -> Request<B> {
///     if let Some(uri) = request.uri().path().strip_prefix("/api").and_then(|path| path.parse().ok()) {
///         *request.uri_mut() = uri;
///     }
///     request
/// }
///
/// let builder = ServiceBuilder::new()
///     .layer(OriginalUriLayer::new())
///     .map_request(without_prefix::<String>)
///     .layer(WebSocketLayer::new(chat));
/// # let _ = builder.service_fn(|_: Request<String>| async { Ok::<_, ()>(http::Response::new(String::new())) });
/// ```
///
/// The extractor of `axum-websocket` needs it only if the URI is rewritten before it reaches axum,
/// which stores the URI itself. An existing `OriginalUri` is kept.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct OriginalUriLayer {}

/// The service created by [`OriginalUriLayer`].
#[derive(Debug, Clone)]
pub struct OriginalUriService<S> {
    inner: S,
}

impl OriginalUriLayer {
    /// Creates the layer.
    #[must_use]
    pub const fn new() -> Self {
        Self {}
    }
}

impl<S> Layer<S> for OriginalUriLayer {
    type Service = OriginalUriService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        OriginalUriService { inner }
    }
}

impl<S, B> Service<Request<B>> for OriginalUriService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if request.extensions().get::<OriginalUri>().is_none() {
            let uri = OriginalUri(request.uri().clone());
            request.extensions_mut().insert(uri);
        }
        self.inner.call(request)
    }
}
