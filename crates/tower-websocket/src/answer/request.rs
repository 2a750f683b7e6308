use http::request::Parts;
use http::{Extensions, HeaderMap, Request, Response, header};
#[cfg(feature = "http2")]
use hyper::ext::Protocol;
use websocket_driver::{ConnectProtocol, Handshake, HandshakeError, ServerConfig, Version};

use super::pending::PendingSocket;
use crate::upgrade::error::UpgradeRefusal;

/// Returns whether a request that an HTTP stack has read asks for a WebSocket: on HTTP/1.1 by its
/// headers (RFC 6455 §4.2.1), on HTTP/2 and HTTP/3 by the method CONNECT and the pseudo-header
/// `:protocol` (RFC 8441 §4, RFC 9220 §3), which hyper's `Protocol` or a [`ConnectProtocol`] in the
/// extensions holds. A request of HTTP/1.0 never does (RFC 9110 §7.8).
pub fn is_handshake<B>(request: &Request<B>) -> bool {
    if request.version() < http::Version::HTTP_2 {
        websocket_driver::is_handshake(request)
    } else {
        request.method() == http::Method::CONNECT && names_websocket(request.extensions())
    }
}

/// A handshake that any HTTP stack has read, to be inspected before it is answered.
///
/// ```
/// use http::{Request, Response};
/// use tower_websocket::server::{HandshakeRequest, PendingSocket, UpgradeRefusal};
/// use tower_websocket::Config;
///
/// fn respond(request: &Request<()>) -> Result<(Response<()>, PendingSocket), UpgradeRefusal> {
///     let mut request = HandshakeRequest::new(request)?;
///     if request.handshake().protocols().any(|name| name == "chat.v2") {
///         request.handshake_mut().set_protocol(Some("chat.v2"));
///     }
///     request.accept(&Config::server())
/// }
/// # assert!(respond(&Request::new(())).is_err());
/// ```
#[derive(Debug, Clone)]
pub struct HandshakeRequest {
    handshake: Handshake,
    /// Whether the transport is one stream of several on a connection.
    is_multiplexed: bool,
    /// Whether the bytes that follow a hixie-76 head are declared as a body.
    has_declared_body: bool,
}

impl HandshakeRequest {
    /// Parses the head of a request.
    ///
    /// # Errors
    ///
    /// If the request is not a valid handshake of any version.
    pub fn new<B>(request: &Request<B>) -> Result<Self, UpgradeRefusal> {
        Self::with(Handshake::parse(request), request.version(), request.headers(), request.extensions())
    }

    /// Parses the head of a request that was split into parts, like [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// Same as [`new`](Self::new).
    pub fn from_parts(parts: &Parts) -> Result<Self, UpgradeRefusal> {
        Self::with(Handshake::parse_parts(parts), parts.version, &parts.headers, &parts.extensions)
    }

    fn with(
        handshake: Result<Handshake, HandshakeError>,
        version: http::Version,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Self, UpgradeRefusal> {
        let is_multiplexed = version >= http::Version::HTTP_2;
        let refuse = |error| UpgradeRefusal::Handshake { error, is_http1: !is_multiplexed };
        let handshake = match handshake {
            Err(HandshakeError::Method) => return Err(refuse(HandshakeError::Method)),
            _ if is_multiplexed && !names_websocket(extensions) => return Err(refuse(HandshakeError::Upgrade)),
            handshake => handshake.map_err(refuse)?,
        };
        let has_declared_body = handshake.version() == Some(Version::Hixie76)
            && (headers.contains_key(header::TRANSFER_ENCODING)
                || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0"));
        Ok(Self { handshake, is_multiplexed, has_declared_body })
    }

    /// Returns the handshake.
    #[must_use]
    pub fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    /// Returns the handshake, to select the subprotocol or to set the requested URI.
    pub fn handshake_mut(&mut self) -> &mut Handshake {
        &mut self.handshake
    }

    /// Accepts the handshake. Returns the response to send, and a socket that waits for the
    /// connection.
    ///
    /// # Errors
    ///
    /// If the configuration does not allow the version, the head exceeds its limits, or its budget
    /// is used up; and if the 8 bytes of a hixie-76 request are declared as its body, which only
    /// [`WebSocketLayer`](crate::WebSocketLayer) and [`accept`](fn@crate::accept) can read.
    pub fn accept(self, config: &ServerConfig) -> Result<(Response<()>, PendingSocket), UpgradeRefusal> {
        let has_declared_body = self.has_declared_body;
        let answered = self.accept_with_body(config)?;
        if has_declared_body { Err(UpgradeRefusal::DeclaredBody) } else { Ok(answered) }
    }

    /// Like [`accept`](Self::accept), for callers that read the body.
    pub(crate) fn accept_with_body(
        self,
        config: &ServerConfig,
    ) -> Result<(Response<()>, PendingSocket), UpgradeRefusal> {
        let is_multiplexed = self.is_multiplexed;
        let refuse = |error| UpgradeRefusal::Handshake { error, is_http1: !is_multiplexed };
        let (response, driver) = self.handshake.accept(config).map_err(refuse)?;
        Ok((response, PendingSocket::new(driver, is_multiplexed)))
    }
}

/// Returns whether the pseudo-header `:protocol` is `websocket`.
fn names_websocket(extensions: &Extensions) -> bool {
    if let Some(protocol) = extensions.get::<ConnectProtocol>() {
        return protocol.is_websocket();
    }
    #[cfg(feature = "http2")]
    if let Some(protocol) = extensions.get::<Protocol>() {
        return protocol.as_str() == "websocket";
    }
    false
}
