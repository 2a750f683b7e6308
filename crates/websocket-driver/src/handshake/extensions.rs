use http::header::{HeaderMap, HeaderValue, SEC_WEBSOCKET_EXTENSIONS};
use websocket_driver_extensions::{Pipeline, parse_header};

use crate::config::Config;
use crate::error::HandshakeError;

/// Agrees to what was offered and is registered, and says so in the response (RFC 6455 §9.1). The header is read, and must
/// be well-formed, also where nothing is registered.
pub(super) fn agree(
    request: &HeaderMap,
    config: &Config,
    response: &mut HeaderMap,
) -> Result<Option<Box<Pipeline>>, HandshakeError> {
    let offered = parse_header(request.get_all(SEC_WEBSOCKET_EXTENSIONS).iter().map(HeaderValue::as_bytes))?;
    let settings = config.settings();
    let is_declined = || settings.decline_extensions.as_ref().is_some_and(|decline| decline(request));
    if offered.is_empty() || settings.extensions.is_empty() || is_declined() {
        return Ok(None);
    }
    let (pipeline, header) = settings.extensions.accept(&offered);
    // An extension whose parameters are no header value is one that nobody has agreed to.
    let Some(value) = header.and_then(|header| HeaderValue::try_from(header).ok()) else {
        return Ok(None);
    };
    response.append(SEC_WEBSOCKET_EXTENSIONS, value);
    Ok(Some(Box::new(pipeline)))
}
