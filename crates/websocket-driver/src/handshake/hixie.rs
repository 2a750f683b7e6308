use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{Response, StatusCode, Uri};
use md5::{Digest, Md5};

use super::{DeclaredBody, Negotiated, subprotocol, target};
use crate::config::settings::Settings;
use crate::error::HandshakeError;
use crate::version::Version;

const KEY1: HeaderName = HeaderName::from_static("sec-websocket-key1");
const KEY2: HeaderName = HeaderName::from_static("sec-websocket-key2");

/// The number of bytes that follow the head of a hixie-76 request.
pub(crate) const BODY: usize = 8;

/// The header of draft 75 for the subprotocol. Draft 76 uses the same as RFC 6455.
pub(crate) const PROTOCOL_75: HeaderName = HeaderName::from_static("websocket-protocol");

/// The header names that differ between the two drafts.
struct Names {
    origin: HeaderName,
    location: HeaderName,
    protocol: HeaderName,
}

/// The parsed request of a hixie handshake.
#[derive(Clone)]
pub(super) struct HixieRequest {
    host: Authority,
    origin: Option<HeaderValue>,
    /// The numbers from the two keys of draft 76.
    keys: Option<[u8; 8]>,
}

impl HixieRequest {
    /// Parses the headers of a handshake of draft-hixie-75 (§3.1) or draft-hixie-76 (§5.2). Also
    /// returns the requested subprotocol: the header contains a single name, not a list
    /// (draft-hixie-76 §4.1, item 11).
    pub(super) fn parse(
        uri: &Uri,
        host: Authority,
        headers: &HeaderMap,
    ) -> Result<(Self, Option<Box<str>>), HandshakeError> {
        let body = DeclaredBody::of(headers);
        let keys = if headers.contains_key(KEY1) || headers.contains_key(KEY2) {
            // The 8 bytes are not a body in the sense of HTTP, but some proxies declare them as
            // one. If the transfer coding is chunked, only an HTTP stack can have decoded it, and
            // the bytes that it returns are the 8.
            let is_eight = body == DeclaredBody::Length(8) || headers.contains_key(header::TRANSFER_ENCODING);
            if !body.is_empty() && !is_eight {
                return Err(HandshakeError::Body);
            }
            let (key1, key2) = (number(headers, KEY1)?, number(headers, KEY2)?);
            Some((u64::from(key1) << 32 | u64::from(key2)).to_be_bytes())
        } else if body.is_empty() {
            None
        } else {
            return Err(HandshakeError::Body);
        };
        let host = target::authority(uri, host)?;
        let request = Self { host, origin: headers.get(header::ORIGIN).cloned(), keys };
        let protocol = headers.get(request.names().protocol).and_then(|value| value.to_str().ok());
        Ok((request, protocol.map(Into::into)))
    }

    pub(super) fn version(&self) -> Version {
        if self.keys.is_some() { Version::Hixie76 } else { Version::Hixie75 }
    }

    /// Accepts the handshake (draft-hixie-75 §4.1, draft-hixie-76 §5.2). The digest of draft 76 is
    /// sent when the 8 bytes are received.
    pub(super) fn accept(
        &self,
        uri: &Uri,
        protocol: Option<&str>,
        settings: &Settings,
    ) -> Result<Negotiated, HandshakeError> {
        let names = self.names();
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        // The order matters: a client of hixie-75 compares the first 85 bytes of the response.
        headers.insert(header::UPGRADE, HeaderValue::from_static("WebSocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        if let Some(origin) = &self.origin {
            headers.insert(names.origin, origin.clone());
        }
        headers.insert(names.location, self.location(uri, settings)?);
        subprotocol::write(protocol, headers, names.protocol)?;
        let protocol = protocol.map(Into::into);
        Ok(Negotiated { version: self.version(), protocol, keys: self.keys, pipeline: None, response })
    }

    /// Returns the URL of the socket, which the client compares with the one it requested
    /// (draft-hixie-76 §5.2, item 7).
    fn location(&self, uri: &Uri, settings: &Settings) -> Result<HeaderValue, HandshakeError> {
        let authority = uri.authority().unwrap_or(&self.host);
        let is_wss = settings
            .wss_location
            .unwrap_or_else(|| uri.scheme().is_some_and(|scheme| *scheme == Scheme::HTTPS || scheme.as_str() == "wss"));
        let scheme = if is_wss { "wss" } else { "ws" };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        // All parts were parsed from a request, so they are valid in a header.
        HeaderValue::try_from(format!("{scheme}://{authority}{path}")).map_err(|_| HandshakeError::Host)
    }

    fn names(&self) -> Names {
        match self.version() {
            Version::Hixie75 => Names {
                origin: HeaderName::from_static("websocket-origin"),
                location: HeaderName::from_static("websocket-location"),
                protocol: PROTOCOL_75,
            },
            _ => Names {
                origin: HeaderName::from_static("sec-websocket-origin"),
                location: HeaderName::from_static("sec-websocket-location"),
                protocol: header::SEC_WEBSOCKET_PROTOCOL,
            },
        }
    }
}

/// Returns the 16 bytes that answer the keys and the 8 bytes after the head (draft-hixie-76 §5.2,
/// item 9).
pub(crate) fn digest(keys: [u8; 8], body: [u8; BODY]) -> [u8; 16] {
    Md5::new().chain_update(keys).chain_update(body).finalize().into()
}

/// Decodes the number in a key: its digits as one number, divided by the number of spaces
/// (draft-hixie-76 §5.2, items 4 to 6).
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
    fn digest_matches_example_of_draft() {
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
