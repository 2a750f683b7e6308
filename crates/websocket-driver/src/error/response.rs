use std::fmt;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::{StatusCode, Version};
use websocket_driver_extensions::{ExtensionError, HeaderError};

use crate::error::head::HeadError;
use crate::message::close::CloseCode;

/// A handshake that a client failed because of the server's response (RFC 6455 §4.1), with what was
/// received of that response.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseError {
    /// What is wrong with the response.
    pub fault: ResponseFault,
    /// The status, if a head was read.
    pub status: Option<StatusCode>,
    /// The version, if a head was read.
    pub version: Option<Version>,
    /// The headers; empty if no head was read.
    pub headers: HeaderMap,
    /// The first bytes of the body, or of what was received instead of a head: at most 4 KiB. A
    /// chunked body is decoded (RFC 9112 §7.1), content codings are not.
    pub body: Bytes,
}

/// The reason of a [`ResponseError`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseFault {
    /// The bytes received are not HTTP/1.
    #[error("response is not HTTP/1.1")]
    NotHttp,
    /// The head cannot be read.
    #[error(transparent)]
    Head(HeadError),
    /// The status is not 101.
    #[error("unexpected status code")]
    Status,
    /// The response is a 101 of HTTP/1.0, which has no such status.
    #[error("response is HTTP/1.0")]
    HttpVersion,
    /// No `Upgrade` header names `websocket`.
    #[error("missing \"websocket\" in Upgrade header of the response")]
    Upgrade,
    /// No `Connection` header names `upgrade`.
    #[error("missing \"upgrade\" in Connection header of the response")]
    Connection,
    /// `Sec-WebSocket-Accept` is missing or does not match the key.
    #[error("missing or invalid Sec-WebSocket-Accept header")]
    Accept,
    /// The response selects a subprotocol that was not offered, or several.
    #[error("server selected a subprotocol that was not offered")]
    Protocol,
    /// `Sec-WebSocket-Extensions` does not follow the grammar.
    #[error(transparent)]
    ExtensionHeader(HeaderError),
    /// The response activates an extension that was not offered, or has unacceptable parameters.
    #[error(transparent)]
    Extension(ExtensionError),
    /// The transport ended before the head of a response was received.
    #[error("connection closed without a response")]
    Ended,
}

impl ResponseError {
    /// Creates an error without a response. Tests of error handling can set the other fields.
    #[must_use]
    pub fn new(fault: ResponseFault) -> Self {
        Self { fault, status: None, version: None, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// Returns a likely explanation, or the response header that has one, if any.
    pub fn hint(&self) -> Option<String> {
        // The first frame of an HTTP/2 server is SETTINGS (RFC 9113 §3.4): a length, the type 4, on
        // stream 0.
        if self.fault == ResponseFault::NotHttp && matches!(*self.body, [0, 0, _, 4, ..]) {
            return Some("server speaks HTTP/2".to_owned());
        }
        // A TLS alert (RFC 8446 §5.1).
        if self.fault == ResponseFault::NotHttp && self.body.starts_with(&[0x15, 3]) {
            return Some("server speaks TLS, use a wss: URL".to_owned());
        }
        let status = self.status?;
        let header = |name| joined(&self.headers, name);
        match status {
            StatusCode::SWITCHING_PROTOCOLS => None,
            StatusCode::UNAUTHORIZED => {
                header(header::WWW_AUTHENTICATE).map(|value| format!("WWW-Authenticate: {value}"))
            }
            StatusCode::UPGRADE_REQUIRED => {
                header(header::SEC_WEBSOCKET_VERSION).map(|value| format!("supported versions: {value}"))
            }
            _ if status.is_redirection() => header(header::LOCATION).map(|value| format!("Location: {value}")),
            _ => match (header(header::VIA), self.version) {
                (Some(value), _) => Some(format!("Via: {value}")),
                (None, Some(Version::HTTP_10)) => Some("response is HTTP/1.0, possibly from a proxy".to_owned()),
                (None, _) => None,
            },
        }
    }

    /// Returns the code that the connection counts as closed with.
    pub(crate) fn close_code(&self) -> CloseCode {
        match &self.fault {
            ResponseFault::Extension(error) => error.close_code().into(),
            ResponseFault::ExtensionHeader(_) => CloseCode::MANDATORY_EXTENSION,
            ResponseFault::Ended => CloseCode::ABNORMAL,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }
}

/// Omits the header values and the body, which may contain secrets. They are available as fields.
impl fmt::Debug for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseError")
            .field("fault", &self.fault)
            .field("status", &self.status)
            .field("version", &self.version)
            .field("headers", &self.headers.len())
            .field("body", &self.body.len())
            .finish()
    }
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "handshake answered with {status}")?,
            None => f.write_str("handshake failed")?,
        }
        match self.hint() {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ResponseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.fault)
    }
}

/// Returns all values of a field as one list (RFC 9110 §5.3), for display.
pub(crate) fn joined(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let values: Vec<_> = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    (!values.is_empty()).then(|| values.join(", "))
}
