use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use websocket_driver_extensions::is_token;

use crate::config::Config;
use crate::error::HandshakeError;

/// The subprotocols that a request of RFC 6455 offers, in its order, over any number of header lines (§4.2.1, item 8).
pub(super) fn offered(headers: &HeaderMap) -> Result<Vec<&str>, HandshakeError> {
    let mut names = Vec::new();
    for value in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
        let list = value.to_str().map_err(|_| HandshakeError::InvalidProtocol)?;
        for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if !is_token(name) {
                return Err(HandshakeError::InvalidProtocol);
            }
            names.push(name);
        }
    }
    Ok(names)
}

/// What the application chooses of what was offered.
pub(super) fn select(offered: &[&str], config: &Config) -> Option<Box<str>> {
    let settings = config.settings();
    let chosen = match &settings.select_protocol {
        Some(select) => select(offered),
        None => settings.protocols.iter().map(String::as_str).find(|name| offered.contains(name)),
    };
    chosen.filter(|name| offered.contains(name)).map(Into::into)
}

/// Agrees to one of what was offered, and says so in the response.
pub(super) fn agree(
    offered: &[&str],
    config: &Config,
    headers: &mut HeaderMap,
    name: HeaderName,
) -> Result<Option<Box<str>>, HandshakeError> {
    let protocol = select(offered, config);
    if let Some(protocol) = &protocol {
        let value = HeaderValue::from_str(protocol).map_err(|_| HandshakeError::InvalidProtocol)?;
        headers.append(name, value);
    }
    Ok(protocol)
}
