use std::io;

use http::{HeaderValue, Response, StatusCode, header};
use websocket_driver::{Config, HandshakeError};

/// Why a request is answered with something else than a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeRefusal {
    /// The request is none that can be accepted.
    #[error("{error}")]
    Handshake {
        /// What is wrong with it.
        error: HandshakeError,
        /// Whether it came on HTTP/1, where the answer may name what to upgrade to.
        is_http1: bool,
    },
    /// The request came without hyper's upgrade: a middleware has dropped the request's extensions, or the server is not
    /// hyper.
    #[error("this server cannot upgrade the connection: the request has lost hyper's OnUpgrade extension on its way")]
    NotUpgradable,
    /// The 8 bytes of a hixie-76 handshake are declared as a body, and only [`WebSocketLayer`](crate::WebSocketLayer) and
    /// [`accept`](crate::accept) can read them there.
    #[error("the 8 bytes of a hixie-76 handshake cannot be read here from a declared body (Content-Length)")]
    DeclaredBody,
    /// The server is about to end, see [`Shutdown`].
    #[error("this server is shutting down")]
    ShuttingDown,
}

impl UpgradeRefusal {
    /// Returns whether the request does not ask for a WebSocket at all, so that it may be answered as plain HTTP.
    pub fn is_plain_http(&self) -> bool {
        matches!(self, Self::Handshake { error, .. } if error.is_plain_http())
    }

    /// Notifies the observer of a request that was not a valid handshake, as [`upgrade`](fn@crate::upgrade) does.
    pub fn report_to(&self, config: &Config) {
        if let Self::Handshake { error, .. } = self {
            config.report_refusal(error);
        }
    }

    /// Returns the status of the answer: 405 for a method, 426 for a version, 500 when the server itself is set up wrong, 503
    /// when it is shutting down or at capacity, and 400 otherwise.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Handshake { error, .. } => error.status(),
            Self::NotUpgradable => StatusCode::INTERNAL_SERVER_ERROR,
            Self::DeclaredBody => StatusCode::BAD_REQUEST,
            Self::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Returns the answer: the status, a line of plain text, with 405 the method that is allowed, and with 426 the versions that
    /// are spoken.
    pub fn to_response(&self) -> Response<String> {
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

/// Why no socket came of a handshake that was accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// hyper did not hand over the connection. It says "upgrade expected but low level API in use" where the connection
    /// is not served with upgrades: use `with_upgrades()`, or `serve_connection_with_upgrades`.
    #[error("hyper did not upgrade the connection: {0}")]
    Hyper(#[from] hyper::Error),
    /// The body of a hixie-76 request could not be read, or is longer than 8 bytes.
    #[error("the body of a hixie-76 request is not 8 bytes")]
    Body,
    /// It took longer than [`Config::handshake_timeout`].
    #[error("the handshake took too long")]
    TimedOut,
    /// The transport failed or ended.
    #[error("the transport failed: {0}")]
    Io(#[from] io::Error),
}
