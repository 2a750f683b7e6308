use std::io;

use http::{HeaderValue, Response, StatusCode, header};
use websocket_driver::{HandshakeError, ServerConfig};

/// The reason why a server refuses a request for a WebSocket.
///
/// [`to_response`](Self::to_response) attaches it to the extensions of the response, so that outer
/// layers can count refusals.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeRefusal {
    /// The request is not an acceptable handshake.
    #[error("handshake refused")]
    Handshake {
        /// What is wrong with the request.
        #[source]
        error: HandshakeError,
        /// Whether the request was received on HTTP/1, where the response may have `Upgrade` and
        /// `Connection`.
        is_http1: bool,
    },
    /// The request has no `hyper::upgrade::OnUpgrade`: a middleware dropped the request's
    /// extensions, or the server is not hyper.
    #[error("connection cannot be upgraded, the request has no OnUpgrade extension of hyper")]
    NotUpgradable,
    /// The 8 bytes of a hixie-76 handshake are declared as a body, and only
    /// [`WebSocketLayer`](crate::WebSocketLayer) and [`accept`](fn@crate::accept) can read them
    /// there.
    #[error("cannot read the 8 bytes of a hixie-76 handshake from a declared body (Content-Length)")]
    DeclaredBody,
    /// The [`Shutdown`](crate::Shutdown) of the server has begun.
    #[error("server is shutting down")]
    ShuttingDown,
}

impl UpgradeRefusal {
    /// Returns whether the request does not ask for a WebSocket at all, so that it may be answered
    /// as plain HTTP.
    #[must_use]
    pub fn is_plain_http(&self) -> bool {
        matches!(self, Self::Handshake { error, .. } if error.is_plain_http())
    }

    /// Notifies the observer of a request that was not a valid handshake, as
    /// [`upgrade`](fn@crate::upgrade) does.
    pub fn report_to(&self, config: &ServerConfig) {
        if let Self::Handshake { error, .. } = self {
            config.report_refusal(error);
        }
    }

    /// Returns the status of the response: 405 for a method, 426 for a version, 500 if the server
    /// is misconfigured, 503 if it is shutting down or at capacity, and 400 otherwise.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Handshake { error, .. } => error.status(),
            Self::NotUpgradable => StatusCode::INTERNAL_SERVER_ERROR,
            Self::DeclaredBody => StatusCode::BAD_REQUEST,
            Self::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Returns the response: the status, a line of plain text, the headers `Allow` for 405,
    /// `Sec-WebSocket-Version` for 426 and `Retry-After` if the server is at capacity, and this
    /// refusal in its [extensions](Response::extensions).
    ///
    /// ```
    /// use http::Response;
    /// use tower_websocket::server::UpgradeRefusal;
    ///
    /// let response = UpgradeRefusal::ShuttingDown.to_response();
    /// assert_eq!(response.extensions().get(), Some(&UpgradeRefusal::ShuttingDown));
    /// ```
    #[must_use]
    pub fn to_response(&self) -> Response<String> {
        let mut response = self.plain_response();
        response.extensions_mut().insert(self.clone());
        response
    }

    fn plain_response(&self) -> Response<String> {
        match self {
            Self::Handshake { error, is_http1 } => {
                let mut response = error.to_response();
                if !is_http1 {
                    // RFC 9113 §8.2.2.
                    response.headers_mut().remove(header::UPGRADE);
                    response.headers_mut().remove(header::CONNECTION);
                    if let Some(allow) = response.headers_mut().get_mut(header::ALLOW) {
                        // RFC 8441 §4.
                        *allow = HeaderValue::from_static("CONNECT");
                    }
                }
                response
            }
            _ => {
                let mut response = Response::new(format!("{self}\n"));
                *response.status_mut() = self.status();
                let text = HeaderValue::from_static("text/plain; charset=utf-8");
                response.headers_mut().insert(header::CONTENT_TYPE, text);
                response
            }
        }
    }
}

/// The reason why an accepted handshake did not become a socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// hyper did not hand over the connection. If its error is "upgrade expected but low level API
    /// in use", serve connections with `with_upgrades()` or `serve_connection_with_upgrades`.
    #[error("hyper did not upgrade the connection")]
    Hyper(#[from] hyper::Error),
    /// The body of a hixie-76 request cannot be read, or is longer than 8 bytes.
    #[error("hixie-76 request body is not 8 bytes long")]
    Body,
    /// The handshake was not completed within
    /// [`Config::handshake_timeout`](crate::Config::handshake_timeout).
    #[error("handshake timed out")]
    TimedOut,
    /// The transport failed or ended.
    #[error("transport failed")]
    Io(#[from] io::Error),
}
