use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{Request, Response, StatusCode};
use md5::{Digest, Md5};

use super::{Answer, KEY1, KEY2, declared_body, protocol, target, value};
use crate::config::Config;
use crate::error::HandshakeError;
use crate::version::Version;

/// How many bytes follow the head of a hixie-76 request.
pub(crate) const BODY: usize = 8;

/// Where draft 75 has its subprotocol; draft 76 has it where RFC 6455 does.
pub(crate) const PROTOCOL_75: HeaderName = HeaderName::from_static("websocket-protocol");

/// The names that differ between the two drafts.
struct Names {
    origin: HeaderName,
    location: HeaderName,
    protocol: HeaderName,
}

/// Answers a handshake of draft-hixie-75 (§3.1, §4.1).
pub(super) fn answer_75<B>(request: &Request<B>, host: Authority, config: &Config) -> Result<Answer, HandshakeError> {
    let names = Names {
        origin: HeaderName::from_static("websocket-origin"),
        location: HeaderName::from_static("websocket-location"),
        protocol: PROTOCOL_75,
    };
    answer(request, host, config, Version::Hixie75, &names, None)
}

/// Answers the head of a handshake of draft-hixie-76 (§5.2). The digest follows when the 8 bytes have come.
pub(super) fn answer_76<B>(request: &Request<B>, host: Authority, config: &Config) -> Result<Answer, HandshakeError> {
    let headers = request.headers();
    // The 8 bytes are no body in the sense of HTTP, though some proxies need them declared as one. Where the transfer
    // coding is chunked, only an HTTP stack can have taken it off, and the bytes it gives are the 8.
    if !matches!(declared_body(headers), None | Some(Some(0 | 8))) && !headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(HandshakeError::Body);
    }
    let key1 = number(headers, KEY1)?;
    let key2 = number(headers, KEY2)?;
    let keys = (u64::from(key1) << 32 | u64::from(key2)).to_be_bytes();
    let names = Names {
        origin: HeaderName::from_static("sec-websocket-origin"),
        location: HeaderName::from_static("sec-websocket-location"),
        protocol: header::SEC_WEBSOCKET_PROTOCOL,
    };
    answer(request, host, config, Version::Hixie76, &names, Some(keys))
}

/// The 16 bytes that answer the keys and the 8 bytes behind the head (draft-hixie-76 §5.2, item 9).
pub(crate) fn digest(keys: [u8; 8], body: [u8; BODY]) -> [u8; 16] {
    Md5::new().chain_update(keys).chain_update(body).finalize().into()
}

fn answer<B>(
    request: &Request<B>,
    host: Authority,
    config: &Config,
    version: Version,
    names: &Names,
    keys: Option<[u8; 8]>,
) -> Result<Answer, HandshakeError> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    // In this order: a client of hixie-75 compares the first 85 bytes of the response.
    headers.insert(header::UPGRADE, HeaderValue::from_static("WebSocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Some(origin) = request.headers().get(header::ORIGIN) {
        headers.insert(names.origin.clone(), origin.clone());
    }
    headers.insert(names.location.clone(), location(request, host, config)?);
    let offered = offered(request.headers(), names.protocol.clone());
    let protocol = protocol::agree(offered.as_slice(), config, headers, names.protocol.clone())?;
    Ok(Answer { version, protocol, keys, pipeline: None, response })
}

/// The subprotocol asked for: the header holds one name, not a list (draft-hixie-76 §4.1, item 11).
pub(super) fn offered(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The URL of the socket, which the client compares with the one it asked for (draft-hixie-76 §5.2, item 7).
fn location<B>(request: &Request<B>, host: Authority, config: &Config) -> Result<HeaderValue, HandshakeError> {
    let uri = target::uri(request);
    let authority = target::authority(uri, host)?;
    let secure = config
        .settings()
        .secure
        .unwrap_or_else(|| uri.scheme().is_some_and(|scheme| *scheme == Scheme::HTTPS || scheme.as_str() == "wss"));
    let scheme = if secure { "wss" } else { "ws" };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    value(format!("{scheme}://{authority}{path}"))
}

/// The number hidden in a key: its digits as one number, divided by the count of its spaces (draft-hixie-76 §5.2,
/// items 4 to 6).
fn number(headers: &HeaderMap, name: HeaderName) -> Result<u32, HandshakeError> {
    let mut values = headers.get_all(name).iter();
    let (Some(key), None) = (values.next(), values.next()) else {
        return Err(HandshakeError::InvalidHixieKey);
    };
    let mut digits: Option<u64> = None;
    let mut spaces = 0;
    for byte in key.as_bytes() {
        match byte {
            b'0'..=b'9' => {
                let number = digits.unwrap_or(0).checked_mul(10);
                digits = number.and_then(|number| number.checked_add(u64::from(byte - b'0')));
                if digits.is_none() {
                    return Err(HandshakeError::InvalidHixieKey);
                }
            }
            b' ' => spaces += 1,
            _ => {}
        }
    }
    digits
        .filter(|digits| spaces > 0 && digits % spaces == 0)
        .and_then(|digits| u32::try_from(digits / spaces).ok())
        .ok_or(HandshakeError::InvalidHixieKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(value: &'static str) -> Result<u32, HandshakeError> {
        let mut headers = HeaderMap::new();
        headers.insert(KEY1, HeaderValue::from_static(value));
        number(&headers, KEY1)
    }

    #[test]
    fn the_digest_is_that_of_the_draft() {
        let (key1, key2) = (key("4 @1  46546xW%0l 1 5").unwrap(), key("12998 5 Y3 1  .P00").unwrap());
        let keys = (u64::from(key1) << 32 | u64::from(key2)).to_be_bytes();
        assert_eq!(&digest(keys, *b"^n:ds[4U"), b"8jKS'y:G*Co,Wxa-");
    }

    #[test]
    fn keys_without_a_number_are_refused() {
        for value in ["", "abc", "12", " ", "1 3 ", "99999999999999999999999 ", "4294967296 "] {
            assert_eq!(key(value), Err(HandshakeError::InvalidHixieKey), "{value:?}");
        }
        assert_eq!(key("4294967295 "), Ok(u32::MAX));
    }
}
