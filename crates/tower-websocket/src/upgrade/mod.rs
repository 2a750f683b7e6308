pub(crate) mod error;
mod header_case;

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::io;
use std::pin::Pin;

use bytes::BytesMut;
use http::{Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use hyper::ext::{Protocol, ReasonPhrase};
use hyper::upgrade::OnUpgrade;
use websocket_driver::{AcceptError, Config, Driver, Event, HandshakeError, Version};

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
        return websocket_driver::is_handshake(request);
    }
    request.method() == http::Method::CONNECT
        && request.extensions().get::<Protocol>().is_some_and(|protocol| protocol.as_str() == "websocket")
}

/// Answers a handshake that hyper has read: the response to send, and what becomes the socket once it is sent. Nothing is
/// spawned.
///
/// ```
/// use http::{Request, Response};
/// use tower_websocket::{Config, upgrade};
///
/// async fn handle<B>(mut request: Request<B>) -> Response<String> {
///     match upgrade(&mut request, Config::server()) {
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
/// The upgrade is done only after the response was sent, so do not wait for it before.
///
/// # Errors
///
/// Why there will be no WebSocket, as a response to send.
pub fn upgrade<B>(request: &mut Request<B>, config: Config) -> Result<(Response<()>, Upgrade), UpgradeRefusal> {
    let (response, upgrade) = prepare(request, config)?;
    no_declared_body(request, &upgrade.driver)?;
    Ok((response, upgrade))
}

/// Whether [`upgrade`] would accept a request, and with which subprotocol, for who wants to know beforehand.
///
/// # Errors
///
/// As [`upgrade`].
pub fn check<B>(request: &Request<B>, config: Config) -> Result<Option<String>, UpgradeRefusal> {
    let (_, driver) = answer(request, config.unobserved())?;
    if request.extensions().get::<OnUpgrade>().is_none() {
        return Err(UpgradeRefusal::NotUpgradable);
    }
    no_declared_body(request, &driver)?;
    Ok(driver.protocol().map(Into::into))
}

/// As [`upgrade`], for those who then read the body where [`Upgrade::needs_body`] says so.
pub(crate) fn prepare<B>(request: &mut Request<B>, config: Config) -> Result<(Response<()>, Upgrade), UpgradeRefusal> {
    let limit = config.get_handshake_timeout();
    let (mut response, driver) = answer(request, config)?;
    let Some(on_upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        return Err(UpgradeRefusal::NotUpgradable);
    };
    let is_multiplexed = request.version() >= http::Version::HTTP_2;
    let upgrade = Upgrade { on_upgrade, driver, limit, is_multiplexed, membership: None };
    let version = upgrade.version();
    // An answer on HTTP/2 is a 200, with names in lower case (RFC 9113 §8.2.1).
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        *response.extensions_mut() = header_case::extensions(version);
    }
    if version.is_hixie() {
        response.extensions_mut().insert(ReasonPhrase::from_static(version.reason_phrase().as_bytes()));
    }
    Ok((response, upgrade))
}

/// The response to a handshake, and the driver that will go on behind it.
fn answer<B>(request: &Request<B>, config: Config) -> Result<(Response<()>, Driver), UpgradeRefusal> {
    let is_http1 = request.version() < http::Version::HTTP_2;
    let refuse = |error| UpgradeRefusal::Handshake { error, is_http1 };
    let mut driver = Driver::from_request(request, config);
    let response = match driver.accept() {
        Ok(response) => response,
        Err(AcceptError::Refused(error)) => return Err(refuse(error)),
        // A driver made of a request has exactly one to answer.
        Err(AcceptError::Usage(_)) => return Err(UpgradeRefusal::NotUpgradable),
    };
    // The pseudo-header of HTTP/2 is no part of what the driver sees. All else it has looked at.
    if is_http1 || is_handshake(request) { Ok((response, driver)) } else { Err(refuse(HandshakeError::Upgrade)) }
}

/// The bytes that come first in hixie-76 may be declared as a body, which is not to be had from a request that is only
/// borrowed.
fn no_declared_body<B>(request: &Request<B>, driver: &Driver) -> Result<(), UpgradeRefusal> {
    let headers = request.headers();
    let declared = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    if declared && driver.version() == Some(Version::Hixie76) { Err(UpgradeRefusal::DeclaredBody) } else { Ok(()) }
}

/// A handshake that is answered, on the way to be a [`WebSocket`]: await it, after the response was returned.
///
/// It takes no longer than [`Config::handshake_timeout`]. Dropping it drops the connection.
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
