pub(crate) mod error;
mod header_case;

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::io;
use std::pin::Pin;

use bytes::BytesMut;
use http::request::Parts;
use http::{Extensions, HeaderMap, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
#[cfg(feature = "http2")]
use hyper::ext::Protocol;
use hyper::ext::ReasonPhrase;
use hyper::upgrade::OnUpgrade;
use websocket_driver::{Driver, Event, Handshake, HandshakeError, ServerConfig, Version};

use crate::connection::Connection;
use crate::shutdown::Shutdown;
use crate::shutdown::members::Membership;
use crate::socket::WebSocket;

use crate::transport::upgraded::Upgraded;
use crate::upgrade::error::{UpgradeError, UpgradeRefusal};

/// The 8 bytes behind the head of a hixie-76 request (draft-hixie-76 §5.2).
const HIXIE_BODY: usize = 8;

/// Returns whether a request that hyper has read asks for a WebSocket: on HTTP/1.1 by its headers (RFC 6455 §4.2.1), on HTTP/2
/// by the method CONNECT and the pseudo-header `:protocol` (RFC 8441 §4). A request of HTTP/1.0 never does (RFC 9110 §7.8).
pub fn is_handshake<B>(request: &Request<B>) -> bool {
    if request.version() < http::Version::HTTP_2 {
        websocket_driver::is_handshake(request)
    } else {
        request.method() == http::Method::CONNECT && names_websocket(request.extensions())
    }
}

/// Returns whether the pseudo-header `:protocol` is `websocket`.
#[cfg(feature = "http2")]
fn names_websocket(extensions: &Extensions) -> bool {
    extensions.get::<Protocol>().is_some_and(|protocol| protocol.as_str() == "websocket")
}

#[cfg(not(feature = "http2"))]
fn names_websocket(_: &Extensions) -> bool {
    false
}

/// Answers a handshake that hyper has read. Returns the response to send, and a future that resolves to the socket after the
/// response was sent. Nothing is spawned.
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
/// Do not await the upgrade before the response is returned: it completes only after hyper has sent the response. To look at the
/// handshake before it is answered, use [`UpgradeRequest`].
///
/// # Errors
///
/// If the request cannot be accepted. The refusal is a response to send.
pub fn upgrade<B>(request: &mut Request<B>, config: &ServerConfig) -> Result<(Response<()>, Upgrade), UpgradeRefusal> {
    let request = UpgradeRequest::new(request).inspect_err(|refusal| refusal.report_to(config))?;
    request.accept(config)
}

/// A handshake that hyper has read, to look at before it is answered.
///
/// ```
/// use http::{Request, Response};
/// use tower_websocket::{Config, Upgrade, UpgradeRefusal, UpgradeRequest};
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
    handshake: Handshake,
    on_upgrade: Option<OnUpgrade>,
    is_multiplexed: bool,
    /// The bytes that follow a hixie-76 head are declared as a body.
    has_declared_body: bool,
}

impl UpgradeRequest {
    /// Parses the head of a request, and takes hyper's means to upgrade the connection out of its extensions.
    ///
    /// # Errors
    ///
    /// If the request is not a valid handshake of any version, or hyper's `OnUpgrade` is missing from it.
    pub fn new<B>(request: &mut Request<B>) -> Result<Self, UpgradeRefusal> {
        let handshake = Handshake::parse(request);
        let (version, is_websocket) = (request.version(), names_websocket(request.extensions()));
        let has_declared_body = has_declared_body(&handshake, request.headers());
        Self::with(handshake, version, is_websocket, has_declared_body, request.extensions_mut())
    }

    /// Does the same as [`new`](Self::new) for a request that was taken apart.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new).
    pub fn from_parts(parts: &mut Parts) -> Result<Self, UpgradeRefusal> {
        let handshake = Handshake::parse_parts(parts);
        let (version, is_websocket) = (parts.version, names_websocket(&parts.extensions));
        let has_declared_body = has_declared_body(&handshake, &parts.headers);
        Self::with(handshake, version, is_websocket, has_declared_body, &mut parts.extensions)
    }

    fn with(
        handshake: Result<Handshake, HandshakeError>,
        version: http::Version,
        is_websocket: bool,
        has_declared_body: bool,
        extensions: &mut Extensions,
    ) -> Result<Self, UpgradeRefusal> {
        let is_multiplexed = version >= http::Version::HTTP_2;
        let refuse = |error| UpgradeRefusal::Handshake { error, is_http1: !is_multiplexed };
        let handshake = match handshake {
            Err(HandshakeError::Method) => return Err(refuse(HandshakeError::Method)),
            _ if is_multiplexed && !is_websocket => return Err(refuse(HandshakeError::Upgrade)),
            handshake => handshake.map_err(refuse)?,
        };
        let on_upgrade = extensions.remove::<OnUpgrade>();
        // A version that is not spoken is refused as such.
        if on_upgrade.is_none() && handshake.version().is_some() {
            return Err(UpgradeRefusal::NotUpgradable);
        }
        Ok(Self { handshake, on_upgrade, is_multiplexed, has_declared_body })
    }

    /// Returns the handshake.
    pub fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    /// Returns the handshake, to choose the subprotocol or to set the URI that the client asked for.
    pub fn handshake_mut(&mut self) -> &mut Handshake {
        &mut self.handshake
    }

    /// Accepts the handshake. Returns the response to send, and a future that resolves to the socket after the response was
    /// sent.
    ///
    /// # Errors
    ///
    /// If the configuration does not allow the version, the head exceeds its limits, or its budget is used up; and if the 8 bytes
    /// of a hixie-76 request are declared as its body, which only [`WebSocketLayer`](crate::WebSocketLayer) and
    /// [`accept`](fn@crate::accept) can read.
    pub fn accept(self, config: &ServerConfig) -> Result<(Response<()>, Upgrade), UpgradeRefusal> {
        let has_declared_body = self.has_declared_body;
        let answered = self.accept_with_body(config)?;
        if has_declared_body { Err(UpgradeRefusal::DeclaredBody) } else { Ok(answered) }
    }

    /// As [`accept`](Self::accept), for callers that read the body if [`Upgrade::needs_body`] returns `true`.
    pub(crate) fn accept_with_body(self, config: &ServerConfig) -> Result<(Response<()>, Upgrade), UpgradeRefusal> {
        let is_multiplexed = self.is_multiplexed;
        let refuse = |error| UpgradeRefusal::Handshake { error, is_http1: !is_multiplexed };
        let (mut response, driver) = self.handshake.accept(config).map_err(refuse)?;
        let on_upgrade = self.on_upgrade.ok_or(UpgradeRefusal::NotUpgradable)?;
        let limit = config.timeouts().handshake;
        let upgrade = Upgrade { on_upgrade, driver, limit, is_multiplexed, membership: None };
        let version = upgrade.version();
        // The response on HTTP/2 is a 200, with names in lower case (RFC 9113 §8.2.1).
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            *response.extensions_mut() = header_case::extensions(version);
        }
        if version.is_hixie() {
            response.extensions_mut().insert(ReasonPhrase::from_static(version.reason_phrase().as_bytes()));
        }
        Ok((response, upgrade))
    }
}

/// Returns whether the bytes that follow a hixie-76 head are declared as a body.
fn has_declared_body(handshake: &Result<Handshake, HandshakeError>, headers: &HeaderMap) -> bool {
    let is_hixie76 = handshake.as_ref().is_ok_and(|handshake| handshake.version() == Some(Version::Hixie76));
    is_hixie76
        && (headers.contains_key(header::TRANSFER_ENCODING)
            || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0"))
}

/// A handshake that is answered, on the way to be a [`WebSocket`]: await it, after the response was returned.
///
/// It takes no longer than [`Config::handshake_timeout`](crate::Config::handshake_timeout). Dropping it drops the connection.
#[must_use = "the connection is dropped where this is not awaited"]
pub struct Upgrade {
    on_upgrade: OnUpgrade,
    driver: Driver,
    limit: std::time::Duration,
    /// The transport is a stream of HTTP/2.
    is_multiplexed: bool,
    membership: Option<Membership>,
}

impl Upgrade {
    /// Puts the socket among those that a shutdown closes, from here on. Where that [has begun](Shutdown::has_begun), send
    /// [`UpgradeRefusal::ShuttingDown`] instead of the response.
    pub fn shutdown(self, shutdown: &Shutdown) -> Self {
        Self { membership: Some(shutdown.join()), ..self }
    }

    /// The protocol that will be spoken.
    #[must_use]
    pub fn version(&self) -> Version {
        self.driver.version().unwrap_or(Version::Hybi13)
    }

    /// The subprotocol that was agreed to.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.driver.protocol()
    }

    /// Whether 8 bytes are still to come that may stand in the request's body.
    pub(crate) fn needs_body(&self) -> bool {
        self.version() == Version::Hixie76
    }

    /// Completes the upgrade after the body of the request was read: hyper upgrades only then, and a body that is dropped
    /// instead takes the bytes with it.
    pub(crate) async fn with_body<B: Body>(self, body: B) -> Result<WebSocket, UpgradeError> {
        let limit = self.limit;
        let complete = async {
            let body = Limited::new(body.map_err(|_| "unreadable"), HIXIE_BODY)
                .collect()
                .await
                .map_err(|_| UpgradeError::Body)?;
            self.complete(body.to_bytes().into()).await
        };
        tokio::time::timeout(limit, complete).await.map_err(|_| UpgradeError::TimedOut)?
    }

    async fn complete(self, body: BytesMut) -> Result<WebSocket, UpgradeError> {
        let (io, read) = Upgraded::new(self.on_upgrade.await?);
        let mut driver = self.driver;
        driver.receive(body);
        driver.receive(read);
        let mut connection = Connection::new(io, driver);
        if self.is_multiplexed {
            connection.set_multiplexed();
        }
        // In hixie-76 the connection opens only when the 8 bytes have come.
        match poll_fn(|cx| connection.poll_opening(cx)).await {
            Some(Ok(Event::Open)) => {
                poll_fn(|cx| connection.poll_flush(cx)).await?;
                let mut socket = WebSocket::new(connection);
                if let Some(membership) = self.membership {
                    socket.join(membership);
                }
                Ok(socket)
            }
            Some(Err(error)) => Err(error.into()),
            _ => Err(UpgradeError::Io(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

impl IntoFuture for Upgrade {
    type Output = Result<WebSocket, UpgradeError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let limit = self.limit;
        Box::pin(async move {
            let completed = tokio::time::timeout(limit, self.complete(BytesMut::new())).await;
            completed.map_err(|_| UpgradeError::TimedOut)?
        })
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade").field("version", &self.version()).finish_non_exhaustive()
    }
}
