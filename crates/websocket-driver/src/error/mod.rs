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
/// Returned as [`Event::Error`](crate::Event::Error). By then the close frame that answers it is in
/// the output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A reserved bit is set that no negotiated extension uses.
    #[error("unexpected reserved bits (RFC 6455 §5.2)")]
    ReservedBits,
    /// The opcode is not 0, 1, 2, 8, 9 or 10.
    #[error("unknown opcode {0} (RFC 6455 §5.2)")]
    UnknownOpcode(u8),
    /// A control frame does not have the FIN bit.
    #[error("fragmented control frame (RFC 6455 §5.5)")]
    FragmentedControl,
    /// A control frame is longer than 125 bytes.
    #[error("control frame payload exceeds 125 bytes (RFC 6455 §5.5)")]
    ControlTooLong,
    /// A frame from a server is masked.
    #[error("masked frame from a server (RFC 6455 §5.1)")]
    MaskedFrame,
    /// A frame from a client is not masked.
    #[error("unmasked frame from a client (RFC 6455 §5.1)")]
    UnmaskedFrame,
    /// The length is encoded with more bytes than necessary.
    #[error("payload length is not minimally encoded (RFC 6455 §5.2)")]
    LengthNotMinimal,
    /// The top bit of a 64-bit length is set.
    #[error("most significant bit of the payload length is set (RFC 6455 §5.2)")]
    LengthTopBit,
    /// A continuation frame without a message to continue.
    #[error("unexpected continuation frame (RFC 6455 §5.4)")]
    UnexpectedContinuation,
    /// A new message before the last fragment of the previous one.
    #[error("expected a continuation frame (RFC 6455 §5.4)")]
    ExpectedContinuation,
    /// A text message is not valid UTF-8.
    #[error("invalid UTF-8 in text message (RFC 6455 §8.1)")]
    InvalidUtf8,
    /// The body of a close frame is a single byte.
    #[error("truncated close code (RFC 6455 §5.5.1)")]
    TruncatedCloseCode,
    /// A close frame has a code that must not be sent.
    #[error("invalid close code {0} (RFC 6455 §7.4)")]
    InvalidCloseCode(CloseCode),
    /// The reason of a close frame is not valid UTF-8.
    #[error("invalid UTF-8 in close reason (RFC 6455 §5.5.1)")]
    InvalidCloseReason,
    /// A frame is longer than [`Config::max_frame_size`](crate::Config::max_frame_size).
    #[error("frame of {size} bytes exceeds the limit of {limit}")]
    FrameTooBig {
        /// The announced length, or the length received when the limit was exceeded.
        size: u64,
        /// The limit.
        limit: usize,
    },
    /// A message is longer than [`Config::max_message_size`](crate::Config::max_message_size).
    #[error("message of at least {size} bytes exceeds the limit of {limit}")]
    MessageTooBig {
        /// The bytes received and announced when the limit was exceeded.
        size: u64,
        /// The limit.
        limit: usize,
    },
    /// A message has more fragments than [`Config::max_fragments`](crate::Config::max_fragments).
    #[error("message exceeds the limit of {limit} fragments")]
    TooManyFragments {
        /// The limit.
        limit: usize,
    },
    /// The connection holds more memory than [`Config::max_memory`](crate::Config::max_memory).
    #[error("connection memory of {size} bytes exceeds the limit of {limit}")]
    TooMuchMemory {
        /// The memory held, in bytes.
        size: u64,
        /// The limit.
        limit: usize,
    },
    /// The peer sent more frames per second than
    /// [`Config::max_frame_rate`](crate::Config::max_frame_rate).
    #[error("more than {limit} frames per second")]
    TooManyFrames {
        /// The limit.
        limit: u32,
    },
    /// The peer sent more control frames per second than
    /// [`Config::max_control_rate`](crate::Config::max_control_rate).
    #[error("more than {limit} control frames per second")]
    TooManyControlFrames {
        /// The limit.
        limit: u32,
    },
    /// The length of a hixie frame is encoded with more bytes than any length within the limits
    /// needs.
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

// Large variants are boxed, since this type is part of every result on the message path.
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
    /// Returns the error for a message whose size is only known to exceed the limit.
    pub(crate) fn message_over(limit: usize) -> Self {
        Self::MessageTooBig { size: (limit as u64).saturating_add(1), limit }
    }

    /// Returns the code that the connection is closed with (RFC 6455 §7.4.1).
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

    /// Returns the limit that was exceeded, if the error is not a protocol violation.
    #[must_use]
    pub fn exceeded(&self) -> Option<LimitExceeded> {
        let (limit, max, size) = match *self {
            Self::FrameTooBig { size, limit } => (Limit::FrameSize, limit as u64, size),
            Self::MessageTooBig { size, limit } => (Limit::MessageSize, limit as u64, size),
            Self::TooMuchMemory { size, limit } => (Limit::Memory, limit as u64, size),
            Self::TooManyFragments { limit } => return Some(LimitExceeded::by_one(Limit::Fragments, limit as u64)),
            Self::TooManyFrames { limit } => return Some(LimitExceeded::by_one(Limit::FrameRate, limit.into())),
            Self::TooManyControlFrames { limit } => {
                return Some(LimitExceeded::by_one(Limit::ControlRate, limit.into()));
            }
            Self::Extension(ref error) => match error.reason {
                ExtensionFault::MessageTooBig { limit } => {
                    return Some(LimitExceeded::by_one(Limit::MessageSize, limit as u64));
                }
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

    /// Returns the section of the specification that was violated. Returns `None` for limits, and
    /// for handshakes, whose source names it.
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
    /// The `Host` header is missing, repeated or malformed (RFC 6455 §4.2.1, RFC 9112 §3.2), or on
    /// HTTP/2 differs from `:authority` (RFC 9113 §8.3.1).
    #[error("missing or invalid Host header")]
    Host,
    /// The `Sec-WebSocket-Version` header is missing or names an unsupported version (RFC 6455
    /// §4.4).
    #[error("unsupported WebSocket version, expected one of {supported}")]
    UnsupportedVersion {
        /// The supported versions, formatted as in `Sec-WebSocket-Version`.
        supported: &'static str,
    },
    /// `Sec-WebSocket-Key` is missing (RFC 6455 §4.2.1).
    #[error("missing Sec-WebSocket-Key header")]
    MissingKey,
    /// `Sec-WebSocket-Key` is repeated or not the base64 encoding of 16 bytes (RFC 6455 §4.2.1).
    #[error("invalid Sec-WebSocket-Key header, expected 16 bytes in base64")]
    InvalidKey,
    /// `Sec-WebSocket-Key1` or `Sec-WebSocket-Key2` is missing or contains no number
    /// (draft-hixie-76 §5.2).
    #[error("missing or invalid Sec-WebSocket-Key1 or Sec-WebSocket-Key2 header")]
    InvalidHixieKey,
    /// `Sec-WebSocket-Protocol` is not a list of tokens (RFC 6455 §4.3).
    #[error("invalid Sec-WebSocket-Protocol header")]
    InvalidProtocol,
    /// `Sec-WebSocket-Extensions` does not follow the grammar (RFC 6455 §9.1).
    #[error(transparent)]
    InvalidExtensions(#[from] HeaderError),
    /// The request declares a body, which a handshake does not have. In draft 76, a body of other
    /// than 8 bytes.
    #[error("unexpected body in handshake request")]
    Body,
    /// The head of the request could not be read.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The [`Budget`](crate::Budget) of the server is spent.
    #[error("server is at capacity")]
    Busy {
        /// The `Retry-After` sent to the client, in seconds.
        retry_after: u64,
    },
    /// The application has [refused](crate::Driver::refuse) a request that could be accepted.
    #[error("handshake refused by the application: {0}")]
    Refused(StatusCode),
}

impl HandshakeError {
    /// Returns whether the request is not a WebSocket handshake at all, so that it may be answered
    /// as plain HTTP: its method, HTTP version, `Connection` or `Upgrade` are not those of a
    /// handshake.
    #[must_use]
    pub fn is_plain_http(&self) -> bool {
        matches!(self, Self::Method | Self::HttpVersion | Self::Connection | Self::Upgrade)
    }

    /// Returns the status of the response: 405 for a method (RFC 9110 §15.5.6), 426 for a version
    /// (RFC 6455 §4.4), 503 when the server is at capacity, the application's own, and 400
    /// otherwise.
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

    /// Returns the HTTP response: the status, a line of plain text, and the headers `Allow` for
    /// 405, `Sec-WebSocket-Version` for 426 and `Retry-After` for 503.
    ///
    /// It has no `Content-Length`. On HTTP/2, remove `Upgrade` and `Connection`, which a 426 has
    /// (RFC 9110 §15.5.22), and replace the `Allow` of a 405, which is `GET`, by `CONNECT`.
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

/// The reason why a message was not accepted for sending: a mistake of the caller or the state of
/// the connection, never a fault of the peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection is closing or closed.
    #[error("connection is closed")]
    Closed,
    /// [`Config::max_output`](crate::Config::max_output) bytes are waiting to be written. Write
    /// [`Driver::output`](crate::Driver::output) and try again.
    #[error("output buffer is full")]
    OutputFull,
    /// The version of this connection does not support the frame: the hixie drafts only have text
    /// messages, each in one frame.
    #[error("{version} supports only text messages in one frame")]
    NotSupported {
        /// The name of the version, as displayed by [`Version`](crate::Version).
        version: &'static str,
    },
    /// A message that is sent [in fragments](crate::Driver::start_message) is not finished, and
    /// another one cannot be sent before it is (RFC 6455 §5.4).
    #[error("another message is unfinished")]
    MessageUnfinished,
    /// No message was [started](crate::Driver::start_message) that the fragment could belong to.
    #[error("no message was started")]
    MessageNotStarted,
    /// The opening handshake is not complete, so no message can be sent in fragments yet.
    #[error("connection is not open yet")]
    NotOpen,
    /// The fragments of a text message are not UTF-8 (RFC 6455 §5.6).
    #[error("invalid UTF-8 in text message")]
    InvalidUtf8,
    /// A ping or pong is longer than 125 bytes (RFC 6455 §5.5).
    #[error("ping or pong payload exceeds 125 bytes")]
    ControlTooLong,
    /// The close code must not be sent (RFC 6455 §7.4).
    #[error("invalid close code {0}")]
    InvalidCloseCode(CloseCode),
    /// An extension could not encode the message.
    #[error(transparent)]
    Extension(Box<ExtensionError>),
    /// The close reason is longer than 123 bytes (RFC 6455 §5.5).
    #[error("close reason exceeds 123 bytes")]
    ReasonTooLong,
}

impl From<ExtensionError> for SendError {
    fn from(error: ExtensionError) -> Self {
        Self::Extension(Box::new(error))
    }
}
