use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use websocket_driver_extensions::is_token;

use crate::config::settings::Settings;
use crate::error::HandshakeError;

/// Returns the subprotocols offered by a request of RFC 6455 in its order, over any number of
/// header lines (§4.2.1, item 8).
pub(super) fn offered(headers: &HeaderMap) -> Result<Vec<Box<str>>, HandshakeError> {
    let mut names = Vec::new();
    for value in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
        let list = value.to_str().map_err(|_| HandshakeError::InvalidProtocol)?;
        for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if !is_token(name) {
                return Err(HandshakeError::InvalidProtocol);
            }
            names.push(name.into());
        }
    }
    Ok(names)
}

/// Returns the offered subprotocol that the configuration selects.
pub(super) fn select<'a>(offered: &'a [Box<str>], settings: &Settings) -> Option<&'a str> {
    if let Some(select) = &settings.select_protocol {
        let names: Vec<&str> = offered.iter().map(|name| &**name).collect();
        return select(&names).filter(|name| names.contains(name));
    }
    settings.protocols.iter().find_map(|name| offered.iter().map(|name| &**name).find(|offered| offered == name))
}

/// Adds the subprotocol to a response, if there is one.
pub(super) fn write(protocol: Option<&str>, headers: &mut HeaderMap, name: HeaderName) -> Result<(), HandshakeError> {
    if let Some(protocol) = protocol {
        headers.append(name, HeaderValue::from_str(protocol).map_err(|_| HandshakeError::InvalidProtocol)?);
    }
    Ok(())
}
