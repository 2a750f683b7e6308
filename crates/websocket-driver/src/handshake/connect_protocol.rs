use std::borrow::Cow;

/// The pseudo-header `:protocol` of an extended CONNECT (RFC 8441 §4, RFC 9220 §3), which is not
/// part of an [`http::Request`]. Put it into the [extensions](http::Extensions) of a request if the
/// HTTP stack does not, or uses a different type.
///
/// [`Handshake::parse`](crate::Handshake::parse) then refuses every protocol but `websocket`.
///
/// ```
/// use http::{Method, Request, Version};
/// use websocket_driver::{ConnectProtocol, Handshake, HandshakeError};
///
/// let mut request = Request::new(());
/// *request.method_mut() = Method::CONNECT;
/// *request.version_mut() = Version::HTTP_3;
/// *request.uri_mut() = "https://example.com/chat".parse()?;
/// request.headers_mut().insert("sec-websocket-version", "13".parse()?);
///
/// request.extensions_mut().insert(ConnectProtocol::new("websocket"));
/// assert!(Handshake::parse(&request).is_ok());
/// request.extensions_mut().insert(ConnectProtocol::new("connect-udp"));
/// assert_eq!(Handshake::parse(&request).err(), Some(HandshakeError::Upgrade));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectProtocol(Cow<'static, str>);

impl ConnectProtocol {
    /// Creates the value of a `:protocol`.
    pub fn new(protocol: impl Into<Cow<'static, str>>) -> Self {
        Self(protocol.into())
    }

    /// Returns the value, which is compared byte by byte (RFC 8441 §4).
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether it is `websocket`.
    #[must_use]
    pub fn is_websocket(&self) -> bool {
        self.0 == "websocket"
    }
}
