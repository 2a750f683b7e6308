use std::fmt;
use std::future::Future;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Uri, Version, header};
use tower_websocket::server::{OriginalUri, UpgradeError, UpgradeRefusal, UpgradeRequest};
use tower_websocket::{Config, OriginGuard, ServerConfig, Shutdown, WebSocket};

use crate::rejection::{OriginRejection, WebSocketUpgradeRejection};

/// The headers for the origin of the page, of RFC 6455 and of the hybi drafts.
const ORIGIN_HEADERS: [HeaderName; 2] = [header::ORIGIN, HeaderName::from_static("sec-websocket-origin")];

/// Extractor of a WebSocket handshake. [`ws::WebSocketUpgrade`](crate::ws::WebSocketUpgrade) is the
/// same with the interface of axum's.
///
/// It may be any argument of a handler. Route it with `any`, not `get`, to serve HTTP/2 as well,
/// where the method of a handshake is CONNECT. An `Option<WebSocketUpgrade>` is `None` if the
/// request is not a WebSocket handshake at all, which includes every HTTP/1.0 request (RFC 9110
/// §7.8).
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
/// [`config`](Self::config) sets limits, timeouts and everything else for one handler.
/// `.layer(Extension(config))` sets them for all handlers of a router, and for handshakes that are
/// rejected before a handler runs.
///
/// If [`Config::allow_drafts`] is set, the drafts are accepted as well, except hixie-76 handshakes
/// that declare their 8 bytes as a body (`Content-Length: 8`), as some proxies do: an extractor of
/// request parts has no access to the body. Use `tower_websocket::WebSocketLayer` for those.
#[must_use]
pub struct WebSocketUpgrade {
    request: UpgradeRequest,
    config: ServerConfig,
    requested_protocols: Vec<HeaderValue>,
    has_selected_protocol: bool,
    http_version: Version,
    /// The `Host`, of which there is at most one in a valid handshake.
    host: Option<HeaderValue>,
    /// The headers of the origin, which only browsers send.
    origins: Vec<(HeaderName, HeaderValue)>,
    on_failed_upgrade: Option<Box<OnFailedUpgrade>>,
    shutdown: Option<Shutdown>,
    held: Vec<Box<dyn Send>>,
}

type OnFailedUpgrade = dyn FnOnce(UpgradeError) + Send;

impl WebSocketUpgrade {
    /// Sets limits, timeouts, drafts and everything else. Default: the [`Config`] in the request's
    /// extensions, otherwise [`Config::server`].
    pub fn config(self, config: ServerConfig) -> Self {
        Self { config, ..self }
    }

    /// Sets the supported subprotocols in order of preference, instead of those of the
    /// [`config`](Self::config). The first one that the client offers is selected.
    pub fn protocols<I>(mut self, protocols: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let handshake = self.request.handshake_mut();
        let is_offered = |name: &String| handshake.protocols().any(|offered| offered == name);
        let protocol = protocols.into_iter().map(Into::into).find(is_offered);
        if !self.has_selected_protocol {
            handshake.set_protocol(protocol.as_deref());
        }
        self
    }

    /// Returns the subprotocols that the client offers, in its order of preference.
    pub fn requested_protocols(&self) -> impl Iterator<Item = &HeaderValue> {
        self.requested_protocols.iter()
    }

    /// Selects the subprotocol, instead of [`protocols`](Self::protocols). A name that the client
    /// does not offer selects none, since the client would fail the connection.
    pub fn set_selected_protocol(&mut self, protocol: HeaderValue) {
        self.select_protocol(Some(&protocol));
        self.has_selected_protocol = true;
    }

    /// Selects the subprotocol or none, until [`protocols`](Self::protocols) or
    /// [`set_selected_protocol`](Self::set_selected_protocol) is called.
    pub(crate) fn select_protocol(&mut self, protocol: Option<&HeaderValue>) {
        self.request.handshake_mut().set_protocol(protocol.and_then(|name| name.to_str().ok()));
    }

    pub(crate) fn map_config(self, change: impl FnOnce(ServerConfig) -> ServerConfig) -> Self {
        Self { config: change(self.config), ..self }
    }

    /// Returns the subprotocol that will be selected.
    pub fn selected_protocol(&self) -> Option<&HeaderValue> {
        let selected = self.request.handshake().protocol(&self.config)?;
        self.requested_protocols.iter().find(|protocol| *protocol == selected)
    }

    /// Checks the origin of the request. Without a guard, every page may connect.
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
    /// The guard is also a Tower layer: `Router::layer` makes it check all WebSockets of a router.
    ///
    /// # Errors
    ///
    /// If the guard does not accept the request. The rejection is a response of 403 with the
    /// reason.
    pub fn check_origin(self, guard: &OriginGuard) -> Result<Self, OriginRejection> {
        let mut request = Request::new(());
        *request.uri_mut() = self.request.handshake().uri().clone();
        *request.version_mut() = self.http_version;
        request.headers_mut().extend(self.host.clone().map(|host| (header::HOST, host)));
        request.headers_mut().extend(self.origins.iter().map(|(name, value)| (name.clone(), value.clone())));
        guard.check(&request)?;
        Ok(self)
    }

    /// Sets a callback for an accepted handshake that does not result in a socket: the peer has
    /// disconnected or was too slow, or the server does not serve connections with upgrades.
    /// Default: none.
    pub fn on_failed_upgrade(self, callback: impl FnOnce(UpgradeError) + Send + 'static) -> Self {
        Self { on_failed_upgrade: Some(Box::new(callback)), ..self }
    }

    /// Adds the socket to those that a shutdown closes. Once the shutdown has begun, the response
    /// is 503.
    pub fn shutdown(self, shutdown: &Shutdown) -> Self {
        Self { shutdown: Some(shutdown.clone()), ..self }
    }

    /// Keeps a guard, such as the permit of a [`ConnectionLimit`](crate::limit::ConnectionLimit),
    /// until the socket is dropped and its last bytes are written, or until the handshake fails.
    ///
    /// ```
    /// use std::net::{IpAddr, SocketAddr};
    ///
    /// use axum::extract::{ConnectInfo, State};
    /// use axum::response::Response;
    /// use axum_websocket::limit::ConnectionLimit;
    /// use axum_websocket::{WebSocketUpgrade, rejection::LimitRejection};
    ///
    /// async fn handler(
    ///     ws: WebSocketUpgrade,
    ///     State(limit): State<ConnectionLimit<IpAddr>>,
    ///     ConnectInfo(peer): ConnectInfo<SocketAddr>,
    /// ) -> Result<Response, LimitRejection> {
    ///     let permit = limit.acquire(peer.ip())?;
    ///     Ok(ws.hold(permit).on_upgrade(|mut socket| async move {
    ///         let _ = socket.send("hello").await;
    ///     }))
    /// }
    /// ```
    pub fn hold(mut self, guard: impl Send + 'static) -> Self {
        self.held.push(Box::new(guard));
        self
    }

    /// Accepts the handshake. Returns the response, which the handler must return, and runs the
    /// callback with the socket in a new task after the response was sent.
    ///
    /// The response is a refusal if the [`config`](Self::config) does not allow the handshake: 426
    /// for a draft, 400 for a head over its limits, 503 if its budget is used up.
    #[must_use = "the handshake completes only when this response is returned"]
    pub fn on_upgrade<C, F>(self, callback: C) -> Response
    where
        C: FnOnce(WebSocket) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let accepted = if self.shutdown.as_ref().is_some_and(Shutdown::has_begun) {
            Err(UpgradeRefusal::ShuttingDown)
        } else {
            self.request.accept(&self.config)
        };
        let (response, mut upgrade) = match accepted {
            Ok(accepted) => accepted,
            Err(refusal) => return WebSocketUpgradeRejection::from(refusal).into_response(),
        };
        if let Some(shutdown) = &self.shutdown {
            upgrade = upgrade.shutdown(shutdown);
        }
        for guard in self.held {
            upgrade = upgrade.hold(guard);
        }
        let on_failed_upgrade = self.on_failed_upgrade;
        upgrade.spawn(callback, |error| {
            if let Some(on_failed_upgrade) = on_failed_upgrade {
                on_failed_upgrade(error);
            }
        });
        response.map(|()| Body::empty())
    }

    fn new(mut request: UpgradeRequest, parts: &Parts) -> Result<Self, UpgradeRefusal> {
        let config = config(parts);
        if request.handshake().version().is_none() {
            // Refused by every configuration, but the response names the versions that this one
            // allows.
            return Err(request.accept(&config).err().unwrap_or(UpgradeRefusal::NotUpgradable));
        }
        if let Some(uri) = original_uri(parts) {
            request.handshake_mut().set_uri(uri.clone());
        }
        let requested = request.handshake().protocols().filter_map(|name| HeaderValue::from_str(name).ok()).collect();
        let mut origins = Vec::new();
        for name in ORIGIN_HEADERS {
            let values = parts.headers.get_all(&name).iter();
            origins.extend(values.map(|value| (name.clone(), value.clone())));
        }
        Ok(Self {
            request,
            config,
            requested_protocols: requested,
            has_selected_protocol: false,
            http_version: parts.version,
            host: parts.headers.get(header::HOST).cloned(),
            origins,
            on_failed_upgrade: None,
            shutdown: None,
            held: Vec::new(),
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = WebSocketUpgradeRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let request = UpgradeRequest::from_parts(parts).map_err(|refusal| report(refusal, parts))?;
        Ok(Self::new(request, parts)?)
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for WebSocketUpgrade {
    type Rejection = WebSocketUpgradeRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        match UpgradeRequest::from_parts(parts) {
            Ok(request) => Ok(Some(Self::new(request, parts)?)),
            Err(refusal) if refusal.is_plain_http() => Ok(None),
            Err(refusal) => Err(report(refusal, parts).into()),
        }
    }
}

fn config(parts: &Parts) -> ServerConfig {
    parts.extensions.get::<ServerConfig>().cloned().unwrap_or_else(Config::server)
}

fn report(refusal: UpgradeRefusal, parts: &Parts) -> UpgradeRefusal {
    refusal.report_to(&config(parts));
    refusal
}

/// Returns the URI sent by the client, if axum has recorded it, since a nested router removes its
/// prefix. An [`OriginalUri`] takes precedence, and is already part of the handshake.
fn original_uri(parts: &Parts) -> Option<&Uri> {
    if parts.extensions.get::<OriginalUri>().is_some() {
        return None;
    }
    #[cfg(feature = "original-uri")]
    if let Some(axum::extract::OriginalUri(uri)) = parts.extensions.get() {
        return Some(uri);
    }
    None
}

/// Omits the subprotocols and headers, which may contain a token.
impl fmt::Debug for WebSocketUpgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketUpgrade")
            .field("config", &self.config)
            .field("requested_protocols", &self.requested_protocols.len())
            .finish_non_exhaustive()
    }
}
