use std::fmt;
use std::future::Future;
use std::sync::OnceLock;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, Request, Uri};
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use tower_websocket::{
    Config, OriginGuard, OriginalUri, Shutdown, UpgradeError, UpgradeRefusal, WebSocket, check, is_handshake,
    requested_protocols, upgrade,
};

use crate::rejection::{OriginRejection, WebSocketUpgradeRejection};

/// Extractor of a WebSocket handshake. [`ws::WebSocketUpgrade`](crate::ws::WebSocketUpgrade) is the same with the interface of axum's.
///
/// It stands anywhere among a handler's arguments. Routes that are to serve HTTP/2 as well need `any`, since the method is
/// CONNECT there. An `Option<WebSocketUpgrade>` is `None` where the request asks for no WebSocket at all, which includes every
/// request of HTTP/1.0 (RFC 9110 §7.8).
///
/// ```
/// use axum::{Router, response::Response, routing::any};
/// use axum_websocket::WebSocketUpgrade;
///
/// async fn echo(ws: WebSocketUpgrade) -> Response {
///     ws.on_upgrade(|mut socket| async move {
///         while let Some(Ok(message)) = socket.recv().await {
///             if socket.send(message).await.is_err() {
///                 break;
///             }
///         }
///     })
/// }
///
/// let app: Router = Router::new().route("/echo", any(echo));
/// ```
///
/// Limits, drafts, an observer and all else are set by [`config`](Self::config) for one handler, or for all handlers of a
/// router by `.layer(Extension(config))`. What is set there holds also for handshakes that come to no handler, as they are
/// refused: the versions that the answer names, and the observer that is told.
///
/// With `Config::allow_drafts` it serves the drafts as well, but for hixie-76 handshakes whose 8 bytes are declared as a
/// body (`Content-Length: 8`), as some proxies do: an extractor of request parts has no body, so use
/// `tower_websocket::WebSocketLayer` for those.
#[must_use]
pub struct WebSocketUpgrade {
    request: Request<()>,
    config: Config,
    requested: Vec<HeaderValue>,
    /// Found out where somebody asks for it.
    selected: OnceLock<Option<HeaderValue>>,
    on_failed_upgrade: Option<Box<OnFailedUpgrade>>,
    shutdown: Option<Shutdown>,
}

type OnFailedUpgrade = dyn FnOnce(UpgradeError) + Send;

impl WebSocketUpgrade {
    /// Sets limits, drafts and all else: by default what the request's extensions hold of this type, or else
    /// `Config::server()`. Call it before [`protocols`](Self::protocols),
    /// since the subprotocols are part of it.
    pub fn config(self, config: Config) -> Self {
        Self { config, selected: OnceLock::new(), ..self }
    }

    /// Sets the subprotocols that the application speaks, best first. The first that the client offered is agreed to.
    pub fn protocols<I>(self, protocols: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let config = self.config.clone().protocols(protocols);
        self.config(config)
    }

    /// The subprotocols that the client offered, in its order.
    pub fn requested_protocols(&self) -> impl Iterator<Item = &HeaderValue> {
        self.requested.iter()
    }

    /// Chooses the subprotocol. One that the client did not offer counts as none, as it would fail the connection.
    pub fn set_selected_protocol(&mut self, protocol: HeaderValue) {
        self.selected = self.requested.contains(&protocol).then(|| protocol.clone()).into();
        self.config =
            self.config.clone().select_protocol(move |offered| offered.iter().copied().find(|name| protocol == name));
    }

    /// The subprotocol that will be agreed to.
    pub fn selected_protocol(&self) -> Option<&HeaderValue> {
        let select = || HeaderValue::try_from(check(&self.request, self.config.clone()).ok()??).ok();
        self.selected.get_or_init(select).as_ref()
    }

    /// Goes on only where the guard lets the page connect that asks. Without one, every page may.
    ///
    /// ```
    /// use axum::{extract::State, response::Response};
    /// use axum_websocket::{OriginGuard, WebSocketUpgrade, rejection::OriginRejection};
    ///
    /// async fn handler(ws: WebSocketUpgrade, State(guard): State<OriginGuard>) -> Result<Response, OriginRejection> {
    ///     Ok(ws.check_origin(&guard)?.on_upgrade(|mut socket| async move {
    ///         let _ = socket.send("hello").await;
    ///     }))
    /// }
    /// ```
    ///
    /// The guard is a Tower layer as well: `Router::layer` has it check all WebSockets of a router.
    ///
    /// # Errors
    ///
    /// The answer, 403 with the reason.
    pub fn check_origin(self, guard: &OriginGuard) -> Result<Self, OriginRejection> {
        guard.check(&self.request)?;
        Ok(self)
    }

    /// Sets what is called where no socket comes of a handshake that was accepted: the peer was gone, or too slow, or the
    /// server does not serve connections with upgrades. By default nobody is told.
    pub fn on_failed_upgrade(self, callback: impl FnOnce(UpgradeError) + Send + 'static) -> Self {
        Self { on_failed_upgrade: Some(Box::new(callback)), ..self }
    }

    /// Puts the socket among those that a shutdown closes. Once it was begun, the response is 503.
    pub fn shutdown(self, shutdown: &Shutdown) -> Self {
        Self { shutdown: Some(shutdown.clone()), ..self }
    }

    /// Accepts the handshake: gives the response, which must be returned, and runs the callback with the socket, in a task
    /// of its own, once it was sent.
    ///
    /// The response is 426 where the client speaks a draft and [`config`](Self::config) does not allow it.
    #[must_use = "the handshake is done only when this response is returned"]
    pub fn on_upgrade<C, F>(mut self, callback: C) -> Response
    where
        C: FnOnce(WebSocket) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        if self.shutdown.as_ref().is_some_and(Shutdown::has_begun) {
            return WebSocketUpgradeRejection::from(UpgradeRefusal::ShuttingDown).into_response();
        }
        match upgrade(&mut self.request, self.config) {
            Ok((response, mut upgrade)) => {
                if let Some(shutdown) = &self.shutdown {
                    upgrade = upgrade.shutdown(shutdown);
                }
                let on_failed_upgrade = self.on_failed_upgrade;
                tokio::spawn(async move {
                    match upgrade.await {
                        // A task of its own, so that the states of the handshake do not stay in it for as long as the
                        // socket lives.
                        Ok(socket) => {
                            tokio::spawn(callback(socket));
                        }
                        Err(error) => {
                            if let Some(on_failed_upgrade) = on_failed_upgrade {
                                on_failed_upgrade(error);
                            }
                        }
                    }
                });
                response.map(|()| Body::empty())
            }
            Err(refusal) => WebSocketUpgradeRejection::from(refusal).into_response(),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = WebSocketUpgradeRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        extract(head(parts), parts)
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for WebSocketUpgrade {
    type Rejection = WebSocketUpgradeRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        let request = head(parts);
        if is_handshake(&request) { extract(request, parts).map(Some) } else { Ok(None) }
    }
}

/// What the handshake needs of a request.
fn head(parts: &Parts) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = original_uri(parts).clone();
    *request.version_mut() = parts.version;
    *request.headers_mut() = parts.headers.clone();
    if let Some(protocol) = parts.extensions.get::<Protocol>() {
        request.extensions_mut().insert(protocol.clone());
    }
    request
}

/// Returns the URI that the client sent, as far as it was noted: a nested router has removed its prefix.
fn original_uri(parts: &Parts) -> &Uri {
    if let Some(OriginalUri(uri)) = parts.extensions.get() {
        return uri;
    }
    #[cfg(feature = "original-uri")]
    if let Some(axum::extract::OriginalUri(uri)) = parts.extensions.get() {
        return uri;
    }
    &parts.uri
}

/// Takes hyper's means to upgrade the connection out of the request.
fn extract(mut request: Request<()>, parts: &mut Parts) -> Result<WebSocketUpgrade, WebSocketUpgradeRejection> {
    if let Some(on_upgrade) = parts.extensions.remove::<OnUpgrade>() {
        request.extensions_mut().insert(on_upgrade);
    }
    let config = parts.extensions.get::<Config>().cloned().unwrap_or_else(Config::server);
    // Whether drafts are allowed is known only later, in `on_upgrade`.
    if let Err(refusal) = check(&request, config.clone().allow_drafts(true)) {
        // Unlike `check`, this tells the observer, and a 426 names the versions that are really spoken.
        let own = upgrade(&mut request, config).err().filter(|own| own.status() == refusal.status());
        return Err(own.unwrap_or(refusal).into());
    }
    let requested = requested_protocols(&request).into_iter().filter_map(|name| HeaderValue::from_str(name).ok());
    let requested = requested.collect();
    Ok(WebSocketUpgrade {
        request,
        config,
        requested,
        selected: OnceLock::new(),
        on_failed_upgrade: None,
        shutdown: None,
    })
}

impl fmt::Debug for WebSocketUpgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketUpgrade")
            .field("config", &self.config)
            // Only how many: some clients pass a token as a subprotocol.
            .field("requested", &self.requested.len())
            .finish_non_exhaustive()
    }
}
