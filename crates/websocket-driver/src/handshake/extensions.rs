use http::header::{HeaderMap, HeaderValue, SEC_WEBSOCKET_EXTENSIONS};
use websocket_driver_extensions::{HeaderEntry, HeaderError, Pipeline, parse_header};

use crate::config::settings::Settings;

/// Returns the extensions that a request offers. The header must be valid, even if no extension is
/// registered.
pub(super) fn offered(headers: &HeaderMap) -> Result<Vec<HeaderEntry>, HeaderError> {
    parse_header(headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter().map(HeaderValue::as_bytes))
}

/// Accepts offered extensions that are registered, and adds them to the response (RFC 6455 §9.1).
pub(super) fn agree(offered: &[HeaderEntry], settings: &Settings, response: &mut HeaderMap) -> Option<Box<Pipeline>> {
    if settings.extensions.is_empty() {
        return None;
    }
    let (pipeline, header) = settings.extensions.accept(offered);
    // If an extension's parameters are not a valid header value, no extension is negotiated.
    let value = HeaderValue::try_from(header?).ok()?;
    response.append(SEC_WEBSOCKET_EXTENSIONS, value);
    Some(Box::new(pipeline))
}
