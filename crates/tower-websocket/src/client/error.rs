use std::io;
use std::time::{Duration, SystemTime};

use http::{StatusCode, header};
use websocket_driver::{HandshakeError, ProtocolError, ProxyError, ResponseFault, UrlError};

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
    /// HTTP/2 was asked for, and the server does not choose it (RFC 7301), or answers something else.
    #[error("{host} does not speak HTTP/2")]
    NoHttp2 {
        /// The host.
        host: String,
    },
    /// The server speaks HTTP/2, and does not take WebSockets there: its settings lack `SETTINGS_ENABLE_CONNECT_PROTOCOL`
    /// (RFC 8441 §3).
    #[error("{host} takes no WebSockets over HTTP/2")]
    NoExtendedConnect {
        /// The host and port.
        host: String,
    },
    /// The URL is one of another server than the [`Http2Connection`](crate::Http2Connection) is to.
    #[error("the HTTP/2 connection is to {connected}, the URL is of another server")]
    OtherServer {
        /// The host and port that the connection is to.
        connected: String,
    },
    /// The proxy made no tunnel.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The server's answer is none that opens a WebSocket: [`ProtocolError::Response`] has all of it.
    #[error(transparent)]
    Refused(ProtocolError),
    /// The [`Shutdown`](crate::Shutdown) that it would belong to has begun.
    #[error("it is shutting down")]
    ShuttingDown,
    /// It took longer than [`Connect::timeout`](crate::Connect::timeout).
    #[error("connecting took too long")]
    TimedOut,
}

impl ConnectError {
    /// Whether the same attempt may succeed later: nobody listens, a name is not resolved, the server is overloaded or says
    /// nothing. What is refused for good is not, such as a certificate that is not trusted, a 401 or a 404.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Io { .. } | Self::TimedOut => true,
            // What rustls itself says, or of the name, will be said again; a transport that ended meanwhile is another thing.
            Self::Tls { error, .. } => !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::Other),
            Self::Proxy(ProxyError::Refused { status }) => is_transient(*status),
            Self::Proxy(ProxyError::Ended) => true,
            Self::Refused(ProtocolError::Response(error)) => match error.fault {
                ResponseFault::Ended => true,
                ResponseFault::Status => error.status.is_some_and(is_transient),
                _ => false,
            },
            _ => false,
        }
    }

    /// How long the server wants to be left alone: its `Retry-After` (RFC 9110 §10.2.3), a number of seconds or a date.
    pub fn retry_after(&self) -> Option<Duration> {
        let Self::Refused(ProtocolError::Response(error)) = self else {
            return None;
        };
        let value = error.headers.get(header::RETRY_AFTER)?.to_str().ok()?;
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::now()).ok()
    }
}

/// Those of RFC 9110 §15.5.9 and §15.6, of RFC 8470 and of RFC 6585 that speak of the moment.
fn is_transient(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_EARLY
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

impl From<UrlError> for ConnectError {
    fn from(error: UrlError) -> Self {
        match error {
            UrlError::Protocol(name) => Self::Protocol(name),
            error => Self::Url(error),
        }
    }
}
