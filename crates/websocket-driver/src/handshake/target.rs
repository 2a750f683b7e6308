//! The target of a request: the authority and the URI.

use std::net::Ipv6Addr;

use http::header::{self, HeaderMap};
use http::uri::{Authority, Scheme};
use http::{Extensions, Uri};

use crate::error::HandshakeError;

/// The URI of a request as sent by the client, for routers and middleware that rewrite the
/// request's URI. Insert it into the [extensions](http::Extensions) of the request before it is
/// passed to [`Handshake::parse`](crate::Handshake::parse).
///
/// It is used for the `Location` that clients of the hixie drafts compare with the requested URL,
/// and for the path reported to observers. Without it, the URI of the request is used.
///
/// ```
/// use http::{Request, header::SEC_WEBSOCKET_PROTOCOL};
/// use websocket_driver::{Config, Handshake, OriginalUri};
///
/// // A router has removed the prefix "/api".
/// let mut request = Request::get("/chat").header("host", "example.com").body(())?;
/// # for (name, value) in [("connection", "Upgrade"), ("upgrade", "WebSocket"), ("origin", "http://example.com")] {
/// #     request.headers_mut().insert(name, value.parse()?);
/// # }
/// request.extensions_mut().insert(OriginalUri("/api/chat".parse()?));
/// let (response, _) = Handshake::parse(&request)?.accept(&Config::server().allow_drafts(true))?;
/// assert_eq!(response.headers()["websocket-location"], "ws://example.com/api/chat");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
// Exhaustive: routers construct it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalUri(pub Uri);

/// Returns the URI that the client sent.
pub(super) fn original_uri<'a>(uri: &'a Uri, extensions: &'a Extensions) -> &'a Uri {
    extensions.get::<OriginalUri>().map_or(uri, |OriginalUri(uri)| uri)
}

/// Returns the `Host` of an HTTP/1.1 request, which must be present once and valid (RFC 9112 §3.2).
pub(super) fn host(headers: &HeaderMap) -> Result<Authority, HandshakeError> {
    single_host(headers)?.ok_or(HandshakeError::Host)
}

/// Checks that `Host` and `:authority` of an HTTP/2 request name the same server (RFC 9113 §8.3.1).
pub(super) fn check_authority(uri: &Uri, headers: &HeaderMap) -> Result<(), HandshakeError> {
    let Some(host) = single_host(headers)? else {
        return Ok(());
    };
    match uri.authority() {
        Some(authority) if !is_same(authority, &host, uri.scheme()) => Err(HandshakeError::Host),
        _ => Ok(()),
    }
}

/// Returns the authority of the requested URL: that of an absolute request target, otherwise the
/// `Host` (RFC 9112 §3.2.2).
pub(super) fn authority(uri: &Uri, host: Authority) -> Result<Authority, HandshakeError> {
    match uri.authority() {
        None => Ok(host),
        Some(authority) if is_host(authority.as_str()) => Ok(authority.clone()),
        Some(_) => Err(HandshakeError::Host),
    }
}

fn single_host(headers: &HeaderMap) -> Result<Option<Authority>, HandshakeError> {
    let mut values = headers.get_all(header::HOST).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            let authority = Authority::try_from(value.as_bytes()).map_err(|_| HandshakeError::Host)?;
            if is_host(authority.as_str()) { Ok(Some(authority)) } else { Err(HandshakeError::Host) }
        }
        (Some(_), Some(_)) => Err(HandshakeError::Host),
    }
}

/// Returns whether an authority is `uri-host [ ":" port ]` (RFC 9110 §7.2), without user
/// information.
fn is_host(authority: &str) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, ""),
    };
    let is_address = |host: &str| {
        host.strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .is_some_and(|host| host.parse::<Ipv6Addr>().is_ok())
    };
    let is_name = |host: &str| !host.is_empty() && !host.contains(['[', ']', ':', '@']);
    let is_port = port.is_empty() || (port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok());
    is_port && (is_address(host) || is_name(host))
}

/// Compares two authorities, ignoring case and using the scheme's default for a missing port (RFC
/// 3986 §6.2.2.1, §6.2.3).
fn is_same(one: &Authority, other: &Authority, scheme: Option<&Scheme>) -> bool {
    let default = match scheme.map(Scheme::as_str) {
        Some("http" | "ws") => Some(80),
        Some("https" | "wss") => Some(443),
        _ => None,
    };
    let port = |authority: &Authority| authority.port_u16().or(default);
    one.host().eq_ignore_ascii_case(other.host()) && port(one) == port(other)
}
