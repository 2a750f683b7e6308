use http::header::{HeaderMap, HeaderValue, SEC_WEBSOCKET_EXTENSIONS};
use websocket_driver_extensions::{HeaderEntry, HeaderError, Pipeline, parse_header};

use crate::config::settings::Settings;

/// Returns the extensions that a request offers. The header must be well-formed, also if no extension is registered.
pub(super) fn offered(headers: &HeaderMap) -> Result<Vec<HeaderEntry>, HeaderError> {
    parse_header(headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter().map(HeaderValue::as_bytes))
}

/// Agrees to what was offered and is registered, and names it in the response (RFC 6455 §9.1).
pub(super) fn agree(offered: &[HeaderEntry], settings: &Settings, response: &mut HeaderMap) -> Option<Box<Pipeline>> {
    if settings.extensions.is_empty() {
        return None;
    }
    let (pipeline, header) = settings.extensions.accept(offered);
    // An extension whose parameters are not a valid header value is one that nobody has agreed to.
    let value = HeaderValue::try_from(header?).ok()?;
    response.append(SEC_WEBSOCKET_EXTENSIONS, value);
    Some(Box::new(pipeline))
}
