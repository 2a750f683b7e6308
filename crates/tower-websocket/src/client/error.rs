use std::io;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};
use websocket_driver::{ClientError, ProtocolError, ProxyError, ResponseFault, UrlError, UsageError};

use super::tls_error;

/// The reason why a client did not connect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL or the proxy's URL cannot be connected to.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A subprotocol is not a token, or is offered twice (RFC 6455 §4.1).
    #[error("invalid or duplicate subprotocol {0:?}")]
    Protocol(String),
    /// The text is not a URL.
    #[error("malformed URL{}", character_hint(.0))]
    MalformedUrl(#[source] http::Error),
    /// The name or value of a header is invalid.
    #[error("invalid header")]
    MalformedHeader(#[source] http::Error),
    /// A header is reserved for the handshake.
    #[error(transparent)]
    Header(#[from] UsageError),
    /// The host cannot be resolved, nothing listens there, or the transport failed.
    #[error("cannot connect to {host}")]
    Io {
        /// The host and port.
        host: String,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// The TLS handshake failed: the certificate is not trusted, expired or for another host, or
    /// the server rejects the client's certificate, which TLS 1.3 reports only after the handshake.
    /// `io::Error::get_ref` returns the `rustls::Error`.
    #[error("TLS with {host} failed{}", tls_error::hint(error).map(|hint| format!(" ({hint})")).unwrap_or_default())]
    Tls {
        /// The host.
        host: String,
        /// The error of rustls.
        #[source]
        error: io::Error,
    },
    /// The URL is `wss:`, and there are no roots to trust: neither
    /// [`Connect::tls`](crate::client::Connect::tls) nor the feature `tls-native-roots` provides
    /// them.
    #[error("no TLS roots to trust: set a TlsConfig, or enable tls-native-roots")]
    NoTls,
    /// The URL is `wss:`, and the platform's certificates are missing or unreadable. The next
    /// attempt reads them again.
    #[error("no TLS roots to trust: {reason}; install the platform's CA certificates, or set a TlsConfig")]
    NoRoots {
        /// The problem with the platform's certificates.
        reason: String,
    },
    /// HTTP/2 was requested, and the server did not select it (RFC 7301) or responded with
    /// something else.
    #[error("server {host} does not support HTTP/2")]
    NoHttp2 {
        /// The host.
        host: String,
    },
    /// The server does not accept WebSockets over HTTP/2: its settings lack
    /// `SETTINGS_ENABLE_CONNECT_PROTOCOL` (RFC 8441 §3).
    #[error("server {host} does not accept WebSockets over HTTP/2")]
    NoExtendedConnect {
        /// The host and port.
        host: String,
    },
    /// The URL names another server than that of the
    /// [`Http2Connection`](crate::client::Http2Connection).
    #[error("server of the URL is not that of the HTTP/2 connection: {connected}")]
    OtherServer {
        /// The host and port of the connection.
        connected: String,
    },
    /// The proxy found by [`Connect::proxy_from_env`](crate::client::Connect::proxy_from_env)
    /// cannot be used.
    #[error("cannot use the proxy in {variable}: {problem}")]
    ProxyFromEnv {
        /// The name of the environment variable.
        variable: &'static str,
        /// The scheme is not supported, or the value is not a URL.
        problem: String,
    },
    /// The proxy did not establish a tunnel.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The server's response does not open a WebSocket: [`ProtocolError::Response`] has the
    /// details.
    #[error(transparent)]
    Refused(ProtocolError),
    /// The [`Shutdown`](crate::Shutdown) of the client has begun.
    #[error("client is shutting down")]
    ShuttingDown,
    /// Connecting took longer than [`Connect::timeout`](crate::client::Connect::timeout).
    #[error("connecting timed out")]
    TimedOut,
}

/// Returns advice on the invalid character, since `InvalidUri` does not report which character it
/// is, nor its position.
fn character_hint(error: &http::Error) -> &'static str {
    if error.is::<http::uri::InvalidUri>() && error.to_string() == "invalid uri character" {
        " (a host that is not ASCII needs punycode, \"xn--\"; spaces and control characters are percent-encoded)"
    } else {
        ""
    }
}

impl ConnectError {
    /// Returns the error for a failed transport, whether it failed before, during or after a TLS
    /// handshake.
    pub(super) fn of_transport(host: String, error: io::Error) -> Self {
        if tls_error::is_failure(&error) {
            let name = host.rsplit_once(':').map_or(&*host, |(name, _)| name);
            return Self::Tls { host: name.trim_matches(['[', ']']).to_owned(), error };
        }
        Self::Io { host, error }
    }

    /// Returns whether the same attempt may succeed later: the server is not reachable, its name is
    /// not resolved, it is overloaded or does not respond. A permanent refusal is not transient,
    /// such as an untrusted certificate, a 401 or a 404.
    ///
    /// Of the statuses of a server or a proxy, 408, 425, 429 and all from 500 on are transient,
    /// except 501, 505, 506, 508, 510 and 511, which mean that the request would be refused again.
    /// An unregistered status counts as the x00 of its class, and one above 599 as 500 (RFC 9110
    /// §15). With `Retry-After`, every status except 3xx is transient.
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

    /// Returns the time to wait before the next attempt, as requested by the server or the proxy in
    /// `Retry-After` (RFC 9110 §10.2.3), in seconds or as a date. Zero for a date that has passed.
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

/// Returns whether a status describes a temporary condition, or is accompanied by `Retry-After`.
fn is_transient(status: StatusCode, headers: &HeaderMap) -> bool {
    match status.as_u16() {
        // With 3xx, `Retry-After` applies to the request to the other location (RFC 9110 §10.2.3).
        300..=399 => false,
        _ if retry_after(headers).is_some() => true,
        // RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4.
        408 | 425 | 429 => true,
        // The registered 5xx statuses that concern the request or the server's capabilities.
        501 | 505 | 506 | 508 | 510 | 511 => false,
        // All others, including invalid ones, count as 500 (RFC 9110 §15).
        status => status >= 500,
    }
}

impl From<ClientError> for ConnectError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Url(error) => Self::Url(error),
            ClientError::Subprotocol(name) => Self::Protocol(name),
        }
    }
}
