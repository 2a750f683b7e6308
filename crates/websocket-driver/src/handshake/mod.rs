//! Opening handshakes: heads are parsed into a [`Handshake`](server_request::Handshake) or a
//! client's request, and answered.

pub(crate) mod body;
pub(crate) mod client_error;
pub(crate) mod client_side;
pub(crate) mod completed;
pub(crate) mod connect_protocol;
mod extensions;
pub(crate) mod head;
pub(crate) mod hixie;
pub(crate) mod queue;
pub(crate) mod request;
mod rfc6455;
pub(crate) mod server_request;
pub(crate) mod server_side;
mod subprotocol;
pub(crate) mod target;
pub(crate) mod url;

use http::Response;
use http::header::{self, HeaderMap, HeaderName};
use websocket_driver_extensions::Pipeline;

use crate::version::Version;

/// The result of a server's negotiation and the response that announces it.
#[derive(Debug)]
pub(crate) struct Negotiated {
    pub(crate) version: Version,
    pub(crate) protocol: Option<Box<str>>,
    /// The first 8 of the 16 bytes that the hixie-76 digest is computed from. The others follow the
    /// head.
    pub(crate) keys: Option<[u8; 8]>,
    /// The extensions, if any.
    pub(crate) pipeline: Option<Box<Pipeline>>,
    pub(crate) response: Response<()>,
}

/// Returns whether the handshake writes this header itself, or the header would change where the
/// response ends.
pub(crate) fn is_reserved(name: &HeaderName) -> bool {
    const RESERVED: [HeaderName; 4] =
        [header::UPGRADE, header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    RESERVED.contains(name) || name.as_str().starts_with("sec-websocket-") || name.as_str().starts_with("websocket-")
}

/// Returns whether a list that may span several header lines contains a token (RFC 9110 §5.6.1).
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let is_token = |item: &[u8]| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes());
    // Most lists contain nothing else.
    headers.get(&name).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(token.as_bytes()))
        || headers.get_all(name).iter().any(|value| value.as_bytes().split(|&byte| byte == b',').any(is_token))
}

/// The body that the headers of a request declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeclaredBody {
    None,
    Length(u64),
    /// The transfer coding delimits it, or the length is malformed.
    Unknown,
}

impl DeclaredBody {
    fn of(headers: &HeaderMap) -> Self {
        if headers.contains_key(header::TRANSFER_ENCODING) {
            return Self::Unknown;
        }
        let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
        match (lengths.next(), lengths.next()) {
            (None, _) => Self::None,
            (Some(length), None) => number(length.as_bytes()).map_or(Self::Unknown, Self::Length),
            (Some(_), Some(_)) => Self::Unknown,
        }
    }

    fn is_empty(self) -> bool {
        matches!(self, Self::None | Self::Length(0))
    }
}

/// Parses a number that consists only of digits (RFC 9110 §8.6).
fn number(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}
