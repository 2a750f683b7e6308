use std::io;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};
use websocket_driver::{HandshakeError, ProtocolError, ProxyError, ResponseFault, UrlError};

use super::tls_error;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL, or the proxy's, is not one that can be connected to.
    #[error(transparent)]
    Url(UrlError),
    /// A subprotocol that is no token, or is offered twice (RFC 6455 §4.1).
    #[error("invalid or duplicate subprotocol {0:?}")]
    Protocol(String),
    /// The text is not a URL.
    #[error("malformed URL: {error}{hint}", error = .0, hint = character_hint(.0))]
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
    /// TLS could not be agreed on: the certificate is not trusted, or for another host, or expired, or the server does not
    /// accept that of the client, which TLS 1.3 reports only after the handshake. The `rustls::Error` behind it is
    /// available by `io::Error::get_ref`.
    #[error("TLS with {host} failed: {error}{}", tls_error::hint(error).map(|hint| format!(" ({hint})")).unwrap_or_default())]
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
    /// A `wss:` URL, but the platform provides no certificates to trust: there are none, or they cannot be read. The next
    /// attempt looks again.
    #[error("no TLS roots to trust: {reason}; install the platform's CA certificates, or give a TlsConfig")]
    NoRoots {
        /// What was wrong with the certificates of the platform.
        reason: String,
    },
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
    /// The proxy that [`Connect::proxy_from_env`](crate::Connect::proxy_from_env) has found cannot be used.
    #[error("cannot use the proxy in {variable}: {problem}")]
    ProxyFromEnv {
        /// The name of the environment variable.
        variable: &'static str,
        /// Its scheme is not supported, or it is not a URL.
        problem: String,
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

/// The type of a URL does not say which character it does not accept, nor where.
fn character_hint(error: &http::Error) -> &'static str {
    if error.is::<http::uri::InvalidUri>() && error.to_string() == "invalid uri character" {
        " (a host that is not ASCII needs punycode, \"xn--\"; spaces and control characters are percent-encoded)"
    } else {
        ""
    }
}

impl ConnectError {
    /// Returns the error for a transport that failed, before or after a handshake of TLS on it.
    pub(super) fn of_transport(host: String, error: io::Error) -> Self {
        if tls_error::is_failure(&error) {
            let name = host.rsplit_once(':').map_or(&*host, |(name, _)| name);
            return Self::Tls { host: name.trim_matches(['[', ']']).to_owned(), error };
        }
        Self::Io { host, error }
    }

    /// Returns whether the same attempt may succeed later: nobody listens, a name is not resolved, the server is overloaded or
    /// says nothing. A permanent refusal is not transient, such as a certificate that is not trusted, a 401 or a 404.
    ///
    /// Of the statuses of a server or a proxy, 408, 425, 429 and all from 500 are transient, but for 501, 505, 506, 508, 510
    /// and 511, which say that the request would be refused again. An unregistered status counts as the x00 of its class, and
    /// one beyond 599 as a 500 (RFC 9110 §15). With a `Retry-After`, every status but those of 3xx is transient.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Io { .. } | Self::TimedOut => true,
            Self::Tls { error, .. } => tls_error::is_transient(error),
            Self::Proxy(ProxyError::Refused { status, headers }) => is_transient(*status, headers),
            Self::Proxy(ProxyError::Authentication { headers, .. }) => {
                is_transient(StatusCode::PROXY_AUTHENTICATION_REQUIRED, headers)
            }
            Self::Proxy(ProxyError::Ended) => true,
            Self::Refused(ProtocolError::Response(error)) => match error.fault {
                ResponseFault::Ended => true,
                ResponseFault::Status => error.status.is_some_and(|status| is_transient(status, &error.headers)),
                _ => false,
            },
            _ => false,
        }
    }

    /// Returns how long the server, or the proxy, wants to be left alone: its `Retry-After` (RFC 9110 §10.2.3), a number of
    /// seconds or a date. It is zero for a date that has passed.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(match self {
            Self::Refused(ProtocolError::Response(error)) => &error.headers,
            Self::Proxy(ProxyError::Refused { headers, .. } | ProxyError::Authentication { headers, .. }) => headers,
            _ => return None,
        })
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        return value.parse().ok().map(Duration::from_secs);
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Whether a status, or the wish that it comes with, speaks of the moment.
fn is_transient(status: StatusCode, headers: &HeaderMap) -> bool {
    match status.as_u16() {
        // RFC 9110 §10.2.3: the wait before the request to the other location.
        300..=399 => false,
        _ if retry_after(headers).is_some() => true,
        // RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4.
        408 | 425 | 429 => true,
        // Those of 5xx in IANA's registry that are about the request or the server's abilities.
        501 | 505 | 506 | 508 | 510 | 511 => false,
        // RFC 9110 §15: others count as 500, those that are invalid too.
        status => status >= 500,
    }
}

impl From<UrlError> for ConnectError {
    fn from(error: UrlError) -> Self {
        match error {
            UrlError::Protocol(name) => Self::Protocol(name),
            error => Self::Url(error),
        }
    }
}
