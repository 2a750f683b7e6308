use std::io;

use websocket_driver::{HandshakeError, ProtocolError, ProxyError, UrlError};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL, or the proxy's, is not one that can be connected to.
    #[error(transparent)]
    Url(UrlError),
    /// A subprotocol that is no token, or is offered twice (RFC 6455 §4.1).
    #[error("the subprotocol {0:?} is none, or there twice")]
    Protocol(String),
    /// The text is no URL at all.
    #[error("the URL is malformed: {0}")]
    MalformedUrl(http::Error),
    /// A header that is none, or that belongs to the handshake.
    #[error("a header cannot be sent: {0}")]
    MalformedHeader(http::Error),
    /// A header that belongs to the handshake.
    #[error(transparent)]
    Header(#[from] HandshakeError),
    /// The host's address is not known, or nobody listens there, or the transport failed.
    #[error("cannot connect to {host}: {error}")]
    Io {
        /// The host and port.
        host: String,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// TLS could not be agreed on: the certificate is not trusted, or for another host, or expired. Which, tells the
    /// `rustls::Error` that `io::Error::get_ref` gives.
    #[error("TLS with {host} failed: {error}")]
    Tls {
        /// The host.
        host: String,
        /// What rustls says.
        #[source]
        error: io::Error,
    },
    /// A `wss:` URL, but no roots to trust: the crate is built without a feature that brings them, and
    /// [`Connect::tls`](crate::Connect::tls) gave none.
    #[error("no TLS roots to trust: give a TlsConfig, or enable tls-native-roots or tls-webpki-roots")]
    NoTls,
    /// The proxy made no tunnel.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The server's answer is none that opens a WebSocket: [`ProtocolError::Response`] has all of it.
    #[error(transparent)]
    Refused(ProtocolError),
    /// It took longer than [`Connect::timeout`](crate::Connect::timeout).
    #[error("connecting took too long")]
    TimedOut,
}

impl From<UrlError> for ConnectError {
    fn from(error: UrlError) -> Self {
        match error {
            UrlError::Protocol(name) => Self::Protocol(name),
            error => Self::Url(error),
        }
    }
}
