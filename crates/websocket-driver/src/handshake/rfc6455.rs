use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode};
use sha1::{Digest, Sha1};

use super::{Answer, extensions, subprotocol};
use crate::config::Config;
use crate::error::HandshakeError;
use crate::version::Version;

/// The versions spoken, for `Sec-WebSocket-Version` in an answer of 426.
pub(super) const SUPPORTED: &str = "13";
const SUPPORTED_WITH_DRAFTS: &str = "13, 8, 7";

/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

// Clients in use end their key with bits that encode no byte. The key is only echoed in a hash, so that does no harm.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Answers the opening handshake on HTTP/1.1 (RFC 6455 §4.2), also of the hybi drafts since 07.
pub(super) fn answer<B>(request: &Request<B>, config: &Config) -> Result<Answer, HandshakeError> {
    let headers = request.headers();
    let version = version(headers, config.settings().allow_drafts)?;
    let accept = HeaderValue::try_from(accept_key(key(headers)?)).map_err(|_| HandshakeError::InvalidKey)?;
    let offered = subprotocol::offered(headers)?;

    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    let protocol = subprotocol::agree(&offered, config, headers, header::SEC_WEBSOCKET_PROTOCOL)?;
    let pipeline = if version.is_draft() { None } else { extensions::agree(request.headers(), config, headers)? };
    Ok(Answer { version, protocol, keys: None, pipeline, response })
}

/// Answers an extended CONNECT, which has no key and no `Upgrade` (RFC 8441 §5).
pub(super) fn answer_connect<B>(request: &Request<B>, config: &Config) -> Result<Answer, HandshakeError> {
    let headers = request.headers();
    let version = version(headers, false)?;
    let offered = subprotocol::offered(headers)?;

    let mut response = Response::new(());
    let headers = response.headers_mut();
    let protocol = subprotocol::agree(&offered, config, headers, header::SEC_WEBSOCKET_PROTOCOL)?;
    let pipeline = extensions::agree(request.headers(), config, headers)?;
    Ok(Answer { version, protocol, keys: None, pipeline, response })
}

/// RFC 6455 §4.2.1, item 6, and §4.4.
fn version(headers: &HeaderMap, allow_drafts: bool) -> Result<Version, HandshakeError> {
    let mut values = headers.get_all(header::SEC_WEBSOCKET_VERSION).iter();
    match (values.next().map(HeaderValue::as_bytes), values.next()) {
        (Some(b"13"), None) => Ok(Version::Hybi13),
        (Some(b"8"), None) if allow_drafts => Ok(Version::Hybi8),
        (Some(b"7"), None) if allow_drafts => Ok(Version::Hybi7),
        _ => Err(HandshakeError::UnsupportedVersion {
            supported: if allow_drafts { SUPPORTED_WITH_DRAFTS } else { SUPPORTED },
        }),
    }
}

/// RFC 6455 §4.2.1, item 5: one, of 16 bytes.
fn key(headers: &HeaderMap) -> Result<&[u8], HandshakeError> {
    let mut values = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let key = values.next().ok_or(HandshakeError::MissingKey)?.as_bytes();
    // The engine estimates how much room it needs by a byte or two too much.
    let mut bytes = [0; 18];
    match BASE64.decode_slice(key, &mut bytes) {
        Ok(16) if values.next().is_none() => Ok(key),
        _ => Err(HandshakeError::InvalidKey),
    }
}

/// RFC 6455 §4.2.2, item 5.4.
pub(super) fn accept_key(key: &[u8]) -> String {
    BASE64.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// RFC 6455 §4.1, item 7.
pub(super) fn encode_key(nonce: [u8; 16]) -> String {
    BASE64.encode(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_key_is_that_of_rfc_6455_section_1_3() {
        assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
