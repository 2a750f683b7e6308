//! The handshakes of servers, as functions from a request to the response: nothing is read or written here.

pub(crate) mod body;
pub(crate) mod client_error;
pub(crate) mod client_side;
mod extensions;
pub(crate) mod head;
pub(crate) mod hixie;
pub(crate) mod queue;
pub(crate) mod request;
mod rfc6455;
pub(crate) mod server_side;
mod subprotocol;
pub(crate) mod target;
pub(crate) mod url;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response};
use websocket_driver_extensions::Pipeline;

use crate::config::{Config, Settings};
use crate::error::HandshakeError;
use crate::error::head::HeadError;
use crate::version::Version;

pub(crate) const KEY1: HeaderName = HeaderName::from_static("sec-websocket-key1");
pub(crate) const KEY2: HeaderName = HeaderName::from_static("sec-websocket-key2");

/// How a request is answered that asks for a WebSocket and may have one.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) version: Version,
    pub(crate) protocol: Option<Box<str>>,
    /// The first 8 of the 16 bytes that a hixie-76 answer is made of; the others are still to come.
    pub(crate) keys: Option<[u8; 8]>,
    /// The extensions agreed to, if any.
    pub(crate) pipeline: Option<Box<Pipeline>>,
    pub(crate) response: Response<()>,
}

/// Whether a request asks for a WebSocket, of whatever version (RFC 6455 §4.2.1, RFC 8441 §4).
///
/// That is a GET whose `Connection` names `upgrade` and whose `Upgrade` names `websocket`, or on HTTP/2 and later a
/// CONNECT with `Sec-WebSocket-Version`. A request of HTTP/1.0 is plain HTTP whatever its headers say (RFC 9110 §7.8). There the pseudo-header `:protocol` decides, which is not part of an
/// [`http::Request`]: who knows it must look at it as well.
pub fn is_handshake<B>(request: &Request<B>) -> bool {
    check_request_line(request).is_ok()
}

/// The headers that the handshake writes, or that would change where the response ends.
pub(crate) fn is_reserved(name: &HeaderName) -> bool {
    const RESERVED: [HeaderName; 4] =
        [header::UPGRADE, header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    RESERVED.contains(name) || name.as_str().starts_with("sec-websocket-") || name.as_str().starts_with("websocket-")
}

/// Answers a request that asks for a WebSocket.
pub(crate) fn answer<B>(request: &Request<B>, config: &Config) -> Result<Answer, HandshakeError> {
    check_request_line(request)?;
    if let Some(budget) = config.settings().budget.as_ref().filter(|budget| budget.is_spent()) {
        return Err(HandshakeError::Busy { retry_after: budget.retry_after_seconds() });
    }
    if is_multiplexed(request.version()) {
        target::check_authority(request)?;
        return rfc6455::answer_connect(request, config);
    }
    let host = target::host(request)?;
    let headers = request.headers();
    if is_hybi(headers) {
        no_body(headers)?;
        rfc6455::answer(request, config)
    } else if !config.settings().allow_drafts {
        Err(HandshakeError::UnsupportedVersion { supported: rfc6455::SUPPORTED })
    } else if headers.contains_key(KEY1) || headers.contains_key(KEY2) {
        hixie::answer_76(request, host, config)
    } else {
        no_body(headers)?;
        hixie::answer_75(request, host, config)
    }
}

/// The subprotocols that a request offers, in its order; none where the header is malformed, which refuses the handshake.
pub fn requested_protocols<B>(request: &Request<B>) -> Vec<&str> {
    let headers = request.headers();
    if is_hybi(headers) || is_multiplexed(request.version()) {
        return subprotocol::offered(headers).unwrap_or_default();
    }
    hixie::offered(headers, header::SEC_WEBSOCKET_PROTOCOL)
        .or_else(|| hixie::offered(headers, hixie::PROTOCOL_75))
        .into_iter()
        .collect()
}

/// Holds the head of a request that an HTTP stack has read against the limits. Its size is that of the shortest way to write it in
/// HTTP/1.1, so that no head is refused that the driver itself would have read.
pub(crate) fn check_head_limits<B>(request: &Request<B>, config: &Config) -> Result<(), HeadError> {
    let Settings { max_head_size, max_headers, .. } = *config.settings();
    let headers = request.headers();
    if headers.len() > max_headers {
        return Err(HeadError::TooManyHeaders { limit: max_headers });
    }
    let uri = target::uri(request);
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let line = request.method().as_str().len() + authority + path + "  HTTP/1.1\n".len();
    let fields = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ":\n".len()).sum::<usize>();
    let size = line + fields + "\n".len();
    if size > max_head_size { Err(HeadError::TooLarge { limit: max_head_size }) } else { Ok(()) }
}

/// Whether a request is of RFC 6455 or one of the drafts that became it.
fn is_hybi(headers: &HeaderMap) -> bool {
    headers.contains_key(header::SEC_WEBSOCKET_VERSION) || headers.contains_key(header::SEC_WEBSOCKET_KEY)
}

fn check_request_line<B>(request: &Request<B>) -> Result<(), HandshakeError> {
    let headers = request.headers();
    if is_multiplexed(request.version()) {
        if request.method() != Method::CONNECT {
            return Err(HandshakeError::Method);
        }
        if !headers.contains_key(header::SEC_WEBSOCKET_VERSION) {
            return Err(HandshakeError::UnsupportedVersion { supported: rfc6455::SUPPORTED });
        }
        return Ok(());
    }
    if request.method() != Method::GET {
        return Err(HandshakeError::Method);
    }
    // RFC 9110 §7.8: a server ignores the `Upgrade` field of an HTTP/1.0 request.
    if request.version() != http::Version::HTTP_11 {
        return Err(HandshakeError::HttpVersion);
    }
    if !has_token(headers, header::CONNECTION, "upgrade") {
        return Err(HandshakeError::Connection);
    }
    if !has_token(headers, header::UPGRADE, "websocket") {
        return Err(HandshakeError::Upgrade);
    }
    Ok(())
}

/// HTTP/2 and later.
fn is_multiplexed(version: http::Version) -> bool {
    version >= http::Version::HTTP_2
}

/// Whether a list over any number of header lines has a token (RFC 9110 §5.6.1).
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let is_token = |item: &[u8]| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes());
    headers.get_all(name).iter().any(|value| value.as_bytes().split(|&byte| byte == b',').any(is_token))
}

/// A handshake has no body: bytes behind it are frames, and no proxy may take them for anything else.
fn no_body(headers: &HeaderMap) -> Result<(), HandshakeError> {
    match declared_body(headers) {
        Some(Some(0)) | None => Ok(()),
        Some(_) => Err(HandshakeError::Body),
    }
}

/// The body that the headers declare: its length, or `Some(None)` where that is not known or makes no sense.
fn declared_body(headers: &HeaderMap) -> Option<Option<u64>> {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return Some(None);
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => None,
        (Some(length), None) => Some(number(length.as_bytes())),
        (Some(_), Some(_)) => Some(None),
    }
}

/// A number of nothing but digits (RFC 9110 §8.6).
fn number(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

/// A header value made of parts that came out of a request, and so cannot hold what a value must not.
fn value(text: String) -> Result<HeaderValue, HandshakeError> {
    HeaderValue::try_from(text).map_err(|_| HandshakeError::Host)
}
