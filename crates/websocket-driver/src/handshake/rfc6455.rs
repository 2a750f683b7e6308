use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use sha1::{Digest, Sha1};
use websocket_driver_extensions::HeaderEntry;

use super::{Negotiated, extensions, subprotocol};
use crate::config::settings::Settings;
use crate::error::HandshakeError;
use crate::version::Version;

/// The supported versions, for `Sec-WebSocket-Version` in a 426 response.
pub(super) const SUPPORTED: &str = "13";
const SUPPORTED_WITH_DRAFTS: &str = "13, 8, 7";

/// The maximum number of headers in a response, not counting those that the application adds.
const RESPONSE_HEADERS: usize = 6;

/// The length of a key: 16 bytes in base64.
const KEY: usize = 24;

/// The GUID that is appended to the key (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

// Some clients set trailing bits of the key that encode no byte. The key is only hashed, so they
// are harmless.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// The parsed request of RFC 6455 or of the hybi drafts since 07.
#[derive(Clone)]
pub(super) struct HybiRequest {
    /// `None` if the version is not supported.
    pub(super) version: Option<Version>,
    /// `None` for an extended CONNECT.
    key: Option<[u8; KEY]>,
    pub(super) extensions: Vec<HeaderEntry>,
    /// Set if extensions are offered, so that they can be declined for clients with a broken
    /// implementation.
    pub(super) user_agent: Option<HeaderValue>,
}

impl HybiRequest {
    /// Parses the headers of an opening handshake on HTTP/1.1 (RFC 6455 §4.2.1).
    pub(super) fn parse(headers: &HeaderMap) -> Result<Self, HandshakeError> {
        let version = version(headers);
        if version.is_none() {
            return Ok(Self { version, key: None, extensions: Vec::new(), user_agent: None });
        }
        Self::parse_extensions(version, Some(key(headers)?), headers)
    }

    /// Parses the headers of an extended CONNECT, which has no key (RFC 8441 §5).
    pub(super) fn parse_connect(headers: &HeaderMap) -> Result<Self, HandshakeError> {
        Self::parse_extensions(version(headers).filter(|version| !version.is_draft()), None, headers)
    }

    fn parse_extensions(
        version: Option<Version>,
        key: Option<[u8; KEY]>,
        headers: &HeaderMap,
    ) -> Result<Self, HandshakeError> {
        let is_rfc = version == Some(Version::Hybi13);
        let extensions = if is_rfc { extensions::offered(headers)? } else { Vec::new() };
        let user_agent = if extensions.is_empty() { None } else { headers.get(header::USER_AGENT).cloned() };
        Ok(Self { version, key, extensions, user_agent })
    }

    /// Accepts the opening handshake on HTTP/1.1 (RFC 6455 §4.2.2).
    pub(super) fn accept_upgrade(
        &self,
        protocol: Option<&str>,
        settings: &Settings,
    ) -> Result<Negotiated, HandshakeError> {
        let version = self.allowed_version(settings)?;
        let key = self.key.ok_or(HandshakeError::MissingKey)?;
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.reserve(RESPONSE_HEADERS);
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        let accept = HeaderValue::try_from(accept_key(&key)).map_err(|_| HandshakeError::InvalidKey)?;
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        negotiated(version, protocol, response)
    }

    /// Accepts an extended CONNECT. Its response has neither key nor `Upgrade` (RFC 8441 §5).
    pub(super) fn accept_connect(
        &self,
        protocol: Option<&str>,
        settings: &Settings,
    ) -> Result<Negotiated, HandshakeError> {
        let Some(version) = self.version else {
            return Err(HandshakeError::UnsupportedVersion { supported: supported(settings, true) });
        };
        negotiated(version, protocol, Response::new(()))
    }

    fn allowed_version(&self, settings: &Settings) -> Result<Version, HandshakeError> {
        self.version
            .filter(|version| settings.allow_drafts || !version.is_draft())
            .ok_or_else(|| HandshakeError::UnsupportedVersion { supported: supported(settings, false) })
    }
}

fn negotiated(
    version: Version,
    protocol: Option<&str>,
    mut response: Response<()>,
) -> Result<Negotiated, HandshakeError> {
    subprotocol::write(protocol, response.headers_mut(), header::SEC_WEBSOCKET_PROTOCOL)?;
    Ok(Negotiated { version, protocol: protocol.map(Into::into), keys: None, pipeline: None, response })
}

/// Returns the versions for a 426 response (RFC 6455 §4.4). The drafts are supported on HTTP/1.1
/// only.
fn supported(settings: &Settings, is_multiplexed: bool) -> &'static str {
    if settings.allow_drafts && !is_multiplexed { SUPPORTED_WITH_DRAFTS } else { SUPPORTED }
}

/// Returns the requested version (RFC 6455 §4.2.1, item 6), or `None` if it is not supported.
fn version(headers: &HeaderMap) -> Option<Version> {
    let mut values = headers.get_all(header::SEC_WEBSOCKET_VERSION).iter();
    match (values.next().map(HeaderValue::as_bytes), values.next()) {
        (Some(b"13"), None) => Some(Version::Hybi13),
        (Some(b"8"), None) => Some(Version::Hybi8),
        (Some(b"7"), None) => Some(Version::Hybi7),
        _ => None,
    }
}

/// Returns the key, which must not be repeated and must encode 16 bytes (RFC 6455 §4.2.1, item 5).
fn key(headers: &HeaderMap) -> Result<[u8; KEY], HandshakeError> {
    let mut values = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let key = values.next().ok_or(HandshakeError::MissingKey)?.as_bytes();
    // The decoder overestimates the length by one or two bytes.
    let mut bytes = [0; 18];
    match (BASE64.decode_slice(key, &mut bytes), key.try_into()) {
        (Ok(16), Ok(key)) if values.next().is_none() => Ok(key),
        _ => Err(HandshakeError::InvalidKey),
    }
}

/// Returns the value of `Sec-WebSocket-Accept` (RFC 6455 §4.2.2, item 5.4).
pub(super) fn accept_key(key: &[u8]) -> String {
    BASE64.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// Returns the value of `Sec-WebSocket-Key` (RFC 6455 §4.1, item 7).
pub(super) fn encode_key(nonce: [u8; 16]) -> String {
    BASE64.encode(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_key_matches_example_of_rfc_6455() {
        assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
