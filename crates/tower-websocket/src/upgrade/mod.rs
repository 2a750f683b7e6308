pub(crate) mod error;
mod header_case;
pub(crate) mod task;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use bytes::Bytes;
use http::request::Parts;
use http::{Extensions, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use hyper::ext::ReasonPhrase;
use hyper::upgrade::OnUpgrade;
use websocket_driver::{Handshake, ServerConfig, Version};

use crate::answer::pending::PendingSocket;
use crate::answer::request::HandshakeRequest;
use crate::shutdown::Shutdown;
use crate::socket::WebSocket;
use crate::transport::upgraded::Upgraded;
use crate::upgrade::error::{UpgradeError, UpgradeRefusal};
use crate::upgrade::task::UpgradeTask;

/// The number of bytes after the head of a hixie-76 request (draft-hixie-76 §5.2).
const HIXIE_BODY: usize = 8;

/// Answers a handshake that hyper has read. Returns the response to send, and a future that
/// resolves to the socket after the response has been sent. Spawns no task.
///
/// ```
/// use http::{Request, Response};
/// use tower_websocket::{Config, upgrade};
///
/// async fn handle<B>(mut request: Request<B>) -> Response<String> {
///     match upgrade(&mut request, &Config::server()) {
///         Ok((response, upgrade)) => {
///             tokio::spawn(async move {
///                 if let Ok(mut socket) = upgrade.await {
///                     let _ = socket.send("hello").await;
///                 }
///             });
///             response.map(|()| String::new())
///         }
///         Err(refusal) => refusal.to_response(),
///     }
/// }
/// ```
///
/// Do not await the upgrade before returning the response: it completes only after hyper has sent
/// the response. To inspect the handshake before answering it, use [`UpgradeRequest`].
///
/// # Errors
///
/// If the request cannot be accepted. The refusal is to be sent as a response.
pub fn upgrade<B>(request: &mut Request<B>, config: &ServerConfig) -> Result<(Response<()>, Upgrade), UpgradeRefusal> {
    let request = UpgradeRequest::new(request).inspect_err(|refusal| refusal.report_to(config))?;
    request.accept(config)
}

/// A handshake that hyper has read, to be inspected before it is answered.
///
/// ```
/// use http::{Request, Response};
/// use tower_websocket::server::{Upgrade, UpgradeRefusal, UpgradeRequest};
/// use tower_websocket::Config;
///
/// fn answer<B>(request: &mut Request<B>) -> Result<(Response<()>, Upgrade), UpgradeRefusal> {
///     let mut request = UpgradeRequest::new(request)?;
///     if request.handshake().protocols().any(|name| name == "chat.v2") {
///         request.handshake_mut().set_protocol(Some("chat.v2"));
///     }
///     request.accept(&Config::server())
/// }
/// # assert!(answer(&mut Request::new(())).is_err());
/// ```
#[derive(Debug)]
pub struct UpgradeRequest {
    request: HandshakeRequest,
    on_upgrade: Option<OnUpgrade>,
}

impl UpgradeRequest {
    /// Parses the head of a request, and takes hyper's `OnUpgrade` out of its extensions.
    ///
    /// # Errors
    ///
    /// If the request is not a valid handshake of any version, or has no `OnUpgrade`.
    pub fn new<B>(request: &mut Request<B>) -> Result<Self, UpgradeRefusal> {
        Self::with(HandshakeRequest::new(request)?, request.extensions_mut())
    }

    /// Same as [`new`](Self::new), for a request that was split into parts.
    ///
    /// # Errors
    ///
    /// Same as [`new`](Self::new).
    pub fn from_parts(parts: &mut Parts) -> Result<Self, UpgradeRefusal> {
        Self::with(HandshakeRequest::from_parts(parts)?, &mut parts.extensions)
    }

    fn with(request: HandshakeRequest, extensions: &mut Extensions) -> Result<Self, UpgradeRefusal> {
        let on_upgrade = extensions.remove::<OnUpgrade>();
        // An unsupported version is refused as such.
        if on_upgrade.is_none() && request.handshake().version().is_some() {
            return Err(UpgradeRefusal::NotUpgradable);
        }
        Ok(Self { request, on_upgrade })
    }

    /// Returns the handshake.
    pub fn handshake(&self) -> &Handshake {
        self.request.handshake()
    }

    /// Returns the handshake, to select the subprotocol or set the URI that the client requested.
    pub fn handshake_mut(&mut self) -> &mut Handshake {
        self.request.handshake_mut()
    }

    /// Accepts the handshake. Returns the response to send, and a future that resolves to the
    /// socket after the response has been sent.
    ///
    /// # Errors
    ///
    /// If the configuration does not allow the version, the head exceeds its limits, or its budget
    /// is used up. Also if the 8 bytes of a hixie-76 request are declared as its body, which only
    /// [`WebSocketLayer`](crate::WebSocketLayer) and [`accept`](fn@crate::accept) can read.
    pub fn accept(self, config: &ServerConfig) -> Result<(Response<()>, Upgrade), UpgradeRefusal> {
        let (response, pending) = self.request.accept(config)?;
        Upgrade::new(response, pending, self.on_upgrade)
    }

    /// Like [`accept`](Self::accept), for callers that read the body if [`Upgrade::needs_body`]
    /// returns `true`.
    pub(crate) fn accept_with_body(self, config: &ServerConfig) -> Result<(Response<()>, Upgrade), UpgradeRefusal> {
        let (response, pending) = self.request.accept_with_body(config)?;
        Upgrade::new(response, pending, self.on_upgrade)
    }
}

/// An answered handshake that resolves to a [`WebSocket`]. Await it after the response has been
/// returned.
///
/// It completes or fails within [`Config::handshake_timeout`](crate::Config::handshake_timeout).
/// Dropping it drops the connection.
#[must_use = "the connection is dropped unless this is awaited"]
pub struct Upgrade {
    on_upgrade: OnUpgrade,
    pending: PendingSocket,
}

impl Upgrade {
    fn new(
        mut response: Response<()>,
        pending: PendingSocket,
        on_upgrade: Option<OnUpgrade>,
    ) -> Result<(Response<()>, Self), UpgradeRefusal> {
        let on_upgrade = on_upgrade.ok_or(UpgradeRefusal::NotUpgradable)?;
        let version = pending.version();
        // The response on HTTP/2 is a 200 with names in lower case (RFC 9113 §8.2.1).
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            *response.extensions_mut() = header_case::extensions(version);
        }
        if version.is_hixie() {
            response.extensions_mut().insert(ReasonPhrase::from_static(version.reason_phrase().as_bytes()));
        }
        Ok((response, Self { on_upgrade, pending }))
    }

    /// Adds the socket to those that a shutdown closes, from now on. If the shutdown [has
    /// begun](Shutdown::has_begun), send [`UpgradeRefusal::ShuttingDown`] instead of the response.
    pub fn shutdown(self, shutdown: &Shutdown) -> Self {
        Self { pending: self.pending.shutdown(shutdown), ..self }
    }

    /// Keeps a guard, such as a [`ConnectionPermit`](crate::limit::ConnectionPermit), until the
    /// socket is dropped and its last bytes are written, or until the handshake fails.
    pub fn hold(self, guard: impl Send + 'static) -> Self {
        Self { pending: self.pending.hold(guard), ..self }
    }

    /// Spawns one task that completes the upgrade, and then runs the handler with the socket, or
    /// `on_failed` with the error. The memory of the upgrade is freed before the handler runs.
    ///
    /// ```
    /// use http::{Request, Response};
    /// use tower_websocket::{Config, WebSocket, upgrade};
    ///
    /// async fn greet(mut socket: WebSocket) {
    ///     let _ = socket.send("hello").await;
    /// }
    ///
    /// fn handle<B>(mut request: Request<B>) -> Response<String> {
    ///     match upgrade(&mut request, &Config::server()) {
    ///         Ok((response, upgrade)) => {
    ///             upgrade.spawn(greet, |error| eprintln!("no WebSocket: {error}"));
    ///             response.map(|()| String::new())
    ///         }
    ///         Err(refusal) => refusal.to_response(),
    ///     }
    /// }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn<H, F>(self, handler: H, on_failed: impl FnOnce(UpgradeError) + Send + 'static)
    where
        H: FnOnce(WebSocket) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        tokio::spawn(UpgradeTask::new(async move { self.open().await.map_err(on_failed).ok().map(handler) }));
    }

    /// Returns the negotiated protocol version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.pending.version()
    }

    /// Returns the negotiated subprotocol.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.pending.protocol()
    }

    /// Returns whether 8 more bytes follow that may be in the body of the request.
    pub(crate) fn needs_body(&self) -> bool {
        self.version() == Version::Hixie76
    }

    /// Completes the upgrade after reading the body of the request. hyper upgrades only after the
    /// body has been read, and dropping it would discard the bytes.
    pub(crate) async fn with_body<B: Body>(self, body: B) -> Result<WebSocket, UpgradeError> {
        let limit = self.pending.timeout();
        let complete = async {
            let body = Limited::new(body.map_err(|_| "unreadable"), HIXIE_BODY)
                .collect()
                .await
                .map_err(|_| UpgradeError::Body)?;
            self.complete(body.to_bytes()).await
        };
        tokio::time::timeout(limit, complete).await.map_err(|_| UpgradeError::TimedOut)?
    }

    /// Completes the upgrade if no body has to be read.
    pub(crate) async fn open(self) -> Result<WebSocket, UpgradeError> {
        let limit = self.pending.timeout();
        let completed = tokio::time::timeout(limit, self.complete(Bytes::new())).await;
        completed.map_err(|_| UpgradeError::TimedOut)?
    }

    async fn complete(self, body: Bytes) -> Result<WebSocket, UpgradeError> {
        let (io, read) = Upgraded::new(self.on_upgrade.await?);
        self.pending.complete(io, [body, read.freeze()]).await
    }
}

impl IntoFuture for Upgrade {
    type Output = Result<WebSocket, UpgradeError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade").field("version", &self.version()).finish_non_exhaustive()
    }
}
