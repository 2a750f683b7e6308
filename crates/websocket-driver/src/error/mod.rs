pub(crate) mod cause;
pub(crate) mod chain;
pub(crate) mod head;
pub(crate) mod limit;
pub(crate) mod response;
pub(crate) mod usage;

use std::fmt;

use http::{HeaderValue, Response, StatusCode, header};
use websocket_driver_extensions::{ExtensionError, ExtensionFault, HeaderError};

use crate::error::head::HeadError;
use crate::error::limit::{Limit, LimitExceeded};
use crate::error::response::{ResponseError, ResponseFault};
use crate::message::close::CloseCode;

/// A protocol violation by the peer, or a limit that the peer exceeded.
///
/// It arrives as [`Event::Error`](crate::Event::Error); by then, the close frame that answers it is in the output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A reserved bit is set that no extension owns.
    #[error("unexpected reserved bits (RFC 6455 §5.2)")]
    ReservedBits,
    /// The opcode is none of 0, 1, 2, 8, 9, 10.
    #[error("unknown opcode {0} (RFC 6455 §5.2)")]
    UnknownOpcode(u8),
    /// A control frame without the final bit.
    #[error("fragmented control frame (RFC 6455 §5.5)")]
    FragmentedControl,
    /// A control frame with more than 125 bytes.
    #[error("control frame payload exceeds 125 bytes (RFC 6455 §5.5)")]
    ControlTooLong,
    /// A frame from a server that is masked.
    #[error("masked frame from a server (RFC 6455 §5.1)")]
    MaskedFrame,
    /// A frame from a client that is not masked.
    #[error("unmasked frame from a client (RFC 6455 §5.1)")]
    UnmaskedFrame,
    /// The length is written with more bytes than it needs.
    #[error("payload length is not minimally encoded (RFC 6455 §5.2)")]
    LengthNotMinimal,
    /// The top bit of a 64-bit length is set.
    #[error("most significant bit of the payload length is set (RFC 6455 §5.2)")]
    LengthTopBit,
    /// A continuation frame where no message was begun.
    #[error("unexpected continuation frame (RFC 6455 §5.4)")]
    UnexpectedContinuation,
    /// A new message before the last fragment of the one begun.
    #[error("expected a continuation frame (RFC 6455 §5.4)")]
    ExpectedContinuation,
    /// A text message that is not UTF-8.
    #[error("invalid UTF-8 in text message (RFC 6455 §8.1)")]
    InvalidUtf8,
    /// A close frame whose body is one byte.
    #[error("truncated close code (RFC 6455 §5.5.1)")]
    TruncatedCloseCode,
    /// A close frame with a code that may not be sent.
    #[error("invalid close code {0} (RFC 6455 §7.4)")]
    InvalidCloseCode(CloseCode),
    /// A close frame whose reason is not UTF-8.
    #[error("invalid UTF-8 in close reason (RFC 6455 §5.5.1)")]
    InvalidCloseReason,
    /// A frame longer than [`Config::max_frame_size`](crate::Config::max_frame_size).
    #[error("frame of {size} bytes exceeds the limit of {limit}")]
    FrameTooBig {
        /// The length that was announced, or had come when the limit was met.
        size: u64,
        /// The limit.
        limit: usize,
    },
    /// A message longer than [`Config::max_message_size`](crate::Config::max_message_size).
    #[error("message of at least {size} bytes exceeds the limit of {limit}")]
    MessageTooBig {
        /// What had come and was announced when the limit was met.
        size: u64,
        /// The limit.
        limit: usize,
    },
    /// A message of more fragments than [`Config::max_fragments`](crate::Config::max_fragments).
    #[error("message exceeds the limit of {limit} fragments")]
    TooManyFragments {
        /// The limit.
        limit: usize,
    },
    /// A connection that holds more than [`Config::max_memory`](crate::Config::max_memory).
    #[error("connection memory of {size} bytes exceeds the limit of {limit}")]
    TooMuchMemory {
        /// What it holds.
        size: u64,
        /// The limit.
        limit: usize,
    },
    /// More frames a second than [`Config::max_frame_rate`](crate::Config::max_frame_rate).
    #[error("more than {limit} frames per second")]
    TooManyFrames {
        /// The limit.
        limit: u32,
    },
    /// More control frames a second than [`Config::max_control_rate`](crate::Config::max_control_rate).
    #[error("more than {limit} control frames per second")]
    TooManyControlFrames {
        /// The limit.
        limit: u32,
    },
    /// The length of a hixie frame is written with more bytes than any length within the limits needs.
    #[error("frame length is not terminated (draft-hixie-76 §5.3)")]
    LengthUnterminated,
    /// An extension could not decode a message.
    #[error(transparent)]
    Extension(Box<ExtensionError>),
    /// A client's handshake failed.
    #[error(transparent)]
    Response(Box<ResponseError>),
    /// A server refused the handshake. The response is in the output, or was returned by
    /// [`Handshake::accept`](crate::Handshake::accept).
    #[error("handshake refused")]
    Handshake(#[source] Box<HandshakeError>),
}

// The large ones are boxed, as this type is a part of every result on the way of a message.
impl From<ExtensionError> for ProtocolError {
    fn from(error: ExtensionError) -> Self {
        Self::Extension(Box::new(error))
    }
}

impl From<ResponseError> for ProtocolError {
    fn from(error: ResponseError) -> Self {
        Self::Response(Box::new(error))
    }
}

impl From<HandshakeError> for ProtocolError {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(Box::new(error))
    }
}

impl ProtocolError {
    /// The code that the connection is closed with (RFC 6455 §7.4.1).
    #[must_use]
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::InvalidUtf8 | Self::InvalidCloseReason => CloseCode::INVALID_PAYLOAD,
            Self::FrameTooBig { .. }
            | Self::MessageTooBig { .. }
            | Self::TooManyFragments { .. }
            | Self::TooMuchMemory { .. } => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyFrames { .. } | Self::TooManyControlFrames { .. } => CloseCode::POLICY_VIOLATION,
            Self::Extension(error) => error.close_code().into(),
            Self::Response(error) => error.close_code(),
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }

    /// The limit that was exceeded, where it is one and no rule of the protocol.
    #[must_use]
    pub fn exceeded(&self) -> Option<LimitExceeded> {
        let (limit, max, size) = match *self {
            Self::FrameTooBig { size, limit } => (Limit::FrameSize, limit as u64, size),
            Self::MessageTooBig { size, limit } => (Limit::MessageSize, limit as u64, size),
            Self::TooManyFragments { limit } => (Limit::Fragments, limit as u64, limit as u64 + 1),
            Self::TooMuchMemory { size, limit } => (Limit::Memory, limit as u64, size),
            Self::TooManyFrames { limit } => (Limit::FrameRate, limit.into(), u64::from(limit) + 1),
            Self::TooManyControlFrames { limit } => (Limit::ControlRate, limit.into(), u64::from(limit) + 1),
            Self::Extension(ref error) => match error.reason {
                ExtensionFault::MessageTooBig { limit } => (Limit::MessageSize, limit as u64, limit as u64 + 1),
                _ => return None,
            },
            Self::Handshake(ref error) => match &**error {
                HandshakeError::Head(error) => return error.exceeded(),
                _ => return None,
            },
            Self::Response(ref error) => match &error.fault {
                ResponseFault::Head(error) => return error.exceeded(),
                _ => return None,
            },
            _ => return None,
        };
        Some(LimitExceeded { limit, max, size })
    }

    /// Where the rule is written that was broken; `None` for limits, and for handshakes, whose reason names it.
    #[must_use]
    pub fn section(&self) -> Option<&'static str> {
        Some(match self {
            Self::UnmaskedFrame | Self::MaskedFrame => "RFC 6455 §5.1",
            Self::ReservedBits | Self::UnknownOpcode(_) | Self::LengthNotMinimal | Self::LengthTopBit => {
                "RFC 6455 §5.2"
            }
            Self::UnexpectedContinuation | Self::ExpectedContinuation => "RFC 6455 §5.4",
            Self::FragmentedControl | Self::ControlTooLong => "RFC 6455 §5.5",
            Self::TruncatedCloseCode | Self::InvalidCloseReason => "RFC 6455 §5.5.1",
            Self::InvalidCloseCode(_) => "RFC 6455 §7.4",
            Self::InvalidUtf8 => "RFC 6455 §8.1",
            Self::LengthUnterminated => "draft-hixie-76 §5.3",
            Self::Extension(error) => match error.reason {
                ExtensionFault::InvalidUtf8 => "RFC 6455 §8.1",
                _ => return None,
            },
            _ => return None,
        })
    }
}

/// The reason why a server refuses a handshake.
///
/// [`to_response`](Self::to_response) returns the HTTP response, whose body is this error's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The method is not GET (RFC 6455 §4.2.1), or CONNECT on HTTP/2 (RFC 8441 §4).
    #[error("request method must be GET, or CONNECT on HTTP/2")]
    Method,
    /// The request is older than HTTP/1.1 (RFC 6455 §4.2.1).
    #[error("HTTP/1.0 request, expected HTTP/1.1")]
    HttpVersion,
    /// No `Connection` header has the token `upgrade` (RFC 6455 §4.2.1).
    #[error("missing \"upgrade\" in Connection header")]
    Connection,
    /// No `Upgrade` header has the token `websocket` (RFC 6455 §4.2.1).
    #[error("missing \"websocket\" in Upgrade header")]
    Upgrade,
    /// The `Host` header is missing, repeated or malformed (RFC 6455 §4.2.1, RFC 9112 §3.2), or on HTTP/2 differs from
    /// `:authority` (RFC 9113 §8.3.1).
    #[error("missing or invalid Host header")]
    Host,
    /// The `Sec-WebSocket-Version` is missing or not spoken here (RFC 6455 §4.4).
    #[error("unsupported WebSocket version, expected one of {supported}")]
    UnsupportedVersion {
        /// What is spoken, as in `Sec-WebSocket-Version`.
        supported: &'static str,
    },
    /// `Sec-WebSocket-Key` is missing (RFC 6455 §4.2.1).
    #[error("missing Sec-WebSocket-Key header")]
    MissingKey,
    /// `Sec-WebSocket-Key` is not the base64 of 16 bytes, or is there twice (RFC 6455 §4.2.1).
    #[error("invalid Sec-WebSocket-Key header, expected 16 bytes in base64")]
    InvalidKey,
    /// `Sec-WebSocket-Key1` or `-Key2` is missing, or holds no number (draft-hixie-76 §5.2).
    #[error("missing or invalid Sec-WebSocket-Key1 or Sec-WebSocket-Key2 header")]
    InvalidHixieKey,
    /// `Sec-WebSocket-Protocol` is not a list of tokens (RFC 6455 §4.3).
    #[error("invalid Sec-WebSocket-Protocol header")]
    InvalidProtocol,
    /// `Sec-WebSocket-Extensions` does not follow the grammar (RFC 6455 §9.1).
    #[error(transparent)]
    InvalidExtensions(#[from] HeaderError),
    /// The request declares a body, which a handshake does not have; in draft 76 other than of 8 bytes.
    #[error("unexpected body in handshake request")]
    Body,
    /// The head of the request could not be read.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The [`Budget`](crate::Budget) of the server is spent.
    #[error("server is at capacity")]
    Busy {
        /// What the client is told to wait, in seconds.
        retry_after: u64,
    },
    /// The application has [refused](crate::Driver::refuse) a request that could be accepted.
    #[error("handshake refused by the application: {0}")]
    Refused(StatusCode),
}

impl HandshakeError {
    /// Returns whether the request does not ask for a WebSocket at all, so that it may be answered as plain HTTP: its method,
    /// HTTP version, `Connection` or `Upgrade` are not those of a handshake.
    #[must_use]
    pub fn is_plain_http(&self) -> bool {
        matches!(self, Self::Method | Self::HttpVersion | Self::Connection | Self::Upgrade)
    }

    /// Returns the status of the response: 405 for a method (RFC 9110 §15.5.6), 426 for a version (RFC 6455 §4.4), 503 when the
    /// server is at capacity, the application's own, and 400 otherwise.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnsupportedVersion { .. } => StatusCode::UPGRADE_REQUIRED,
            Self::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Refused(status) => *status,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Returns the HTTP response: the status, a line of plain text, and the headers `Allow` for 405, `Sec-WebSocket-Version` for
    /// 426 and `Retry-After` for 503.
    ///
    /// It has no `Content-Length`. On HTTP/2, remove `Upgrade` and `Connection`, which a 426 has (RFC 9110 §15.5.22), and
    /// replace the `Allow` of a 405, which is `GET`, by `CONNECT`.
    pub fn to_response(&self) -> Response<String> {
        let mut response = text_response(self.status(), self);
        let headers = response.headers_mut();
        if let Self::Method = self {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
        }
        if let Self::UnsupportedVersion { supported } = self {
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(supported));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        }
        if let Self::Busy { retry_after } = *self {
            headers.insert(header::RETRY_AFTER, retry_after.into());
        }
        response
    }
}

/// Creates a response with a line of plain text.
fn text_response(status: StatusCode, error: &impl fmt::Display) -> Response<String> {
    let mut response = Response::new(format!("{error}\n"));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// The reason why a message was not accepted for sending: the caller's mistake or the connection's state, never the peer's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection is closing or closed.
    #[error("connection is closed")]
    Closed,
    /// [`Config::max_output`](crate::Config::max_output) bytes wait to be written. Write
    /// [`Driver::output`](crate::Driver::output) and try again.
    #[error("output buffer is full")]
    OutputFull,
    /// The protocol of this connection has no such frame: hixie knows only text.
    #[error("{version} supports only text messages")]
    NotSupported {
        /// The protocol's name, as [`Version`](crate::Version) displays it.
        version: &'static str,
    },
    /// A ping or pong of more than 125 bytes (RFC 6455 §5.5).
    #[error("ping or pong payload exceeds 125 bytes")]
    ControlTooLong,
    /// A close code that may not be sent (RFC 6455 §7.4).
    #[error("invalid close code {0}")]
    InvalidCloseCode(CloseCode),
    /// An extension could not encode the message.
    #[error(transparent)]
    Extension(Box<ExtensionError>),
    /// A close reason of more than 123 bytes (RFC 6455 §5.5).
    #[error("close reason exceeds 123 bytes")]
    ReasonTooLong,
}

impl From<ExtensionError> for SendError {
    fn from(error: ExtensionError) -> Self {
        Self::Extension(Box::new(error))
    }
}
