use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version, header};
use websocket_driver_extensions::{ExtensionError, HeaderError};

use crate::error::head::HeadError;
use crate::handshake::head::joined;
use crate::message::close::CloseCode;

/// Why a client did not take the server's answer to its handshake (RFC 6455 §4.1), with what there is of that answer.
#[derive(Clone, PartialEq, Eq)]
pub struct ResponseError {
    /// What is wrong with it.
    pub fault: ResponseFault,
    /// The status, where a head could be read.
    pub status: Option<StatusCode>,
    /// The version, where a head could be read.
    pub version: Option<Version>,
    /// The headers, where a head could be read.
    pub headers: HeaderMap,
    /// The first bytes of the body, or of what was received instead of a head: at most 4 KiB. A chunked body is decoded
    /// (RFC 9112 §7.1), content codings are not.
    pub body: Bytes,
}

/// What a [`ResponseError`] is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseFault {
    /// What came is no HTTP/1.
    #[error("the server does not speak HTTP/1.1")]
    NotHttp,
    /// The head could not be read.
    #[error(transparent)]
    Head(HeadError),
    /// The status is not 101.
    #[error("the server did not upgrade the connection")]
    Status,
    /// A 101 of HTTP/1.0, which has no such answer.
    #[error("the response is of HTTP/1.0")]
    HttpVersion,
    /// No `Upgrade` header names `websocket`.
    #[error("the response does not upgrade to websocket")]
    Upgrade,
    /// No `Connection` header names `upgrade`.
    #[error("the Connection header of the response does not name upgrade")]
    Connection,
    /// `Sec-WebSocket-Accept` is missing or not the answer to the key.
    #[error("the Sec-WebSocket-Accept header of the response is missing or wrong")]
    Accept,
    /// A subprotocol that was not asked for, or several.
    #[error("the response chooses a subprotocol that was not offered")]
    Protocol,
    /// `Sec-WebSocket-Extensions` does not follow the grammar.
    #[error(transparent)]
    ExtensionHeader(HeaderError),
    /// An extension that was not offered, or parameters that are not acceptable.
    #[error(transparent)]
    Extension(ExtensionError),
    /// The transport ended before the head of a response had come.
    #[error("the server closed the connection without an answer")]
    Ended,
}

impl ResponseError {
    pub(crate) fn new(fault: ResponseFault) -> Self {
        Self { fault, status: None, version: None, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// What may be behind it, where something is known to be.
    pub fn hint(&self) -> Option<String> {
        // A server that begins with HTTP/2 sends its SETTINGS first (RFC 9113 §3.4): a length, the type 4, on stream 0.
        if self.fault == ResponseFault::NotHttp && matches!(*self.body, [0, 0, _, 4, ..]) {
            return Some("the server spoke HTTP/2".to_owned());
        }
        // An alert (RFC 8446 §5.1).
        if self.fault == ResponseFault::NotHttp && self.body.starts_with(&[0x15, 3]) {
            return Some("the server spoke TLS: use a wss: URL".to_owned());
        }
        let status = self.status?;
        let header = |name| joined(&self.headers, name);
        match status {
            StatusCode::SWITCHING_PROTOCOLS => None,
            StatusCode::UNAUTHORIZED => {
                header(header::WWW_AUTHENTICATE).map(|value| format!("WWW-Authenticate: {value}"))
            }
            StatusCode::UPGRADE_REQUIRED => {
                header(header::SEC_WEBSOCKET_VERSION).map(|value| format!("the server speaks the versions {value}"))
            }
            _ if status.is_redirection() => header(header::LOCATION).map(|value| format!("it is at {value}")),
            _ => match (header(header::VIA), self.version) {
                (Some(value), _) => Some(format!("it came through the proxy {value}")),
                (None, Some(Version::HTTP_10)) => Some("it is of HTTP/1.0, from a proxy perhaps".to_owned()),
                (None, _) => None,
            },
        }
    }

    /// The code that the connection counts as closed with.
    pub(crate) fn close_code(&self) -> CloseCode {
        match &self.fault {
            ResponseFault::Extension(error) => error.close_code().into(),
            ResponseFault::ExtensionHeader(_) => CloseCode::MANDATORY_EXTENSION,
            ResponseFault::Ended => CloseCode::ABNORMAL,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }
}

/// Without the values of the headers and the body, which may be secret: they are in the fields.
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
        self.fault.fmt(f)?;
        if let (Some(status), ResponseFault::Status) = (self.status, &self.fault) {
            write!(f, ": it answered {status}")?;
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
