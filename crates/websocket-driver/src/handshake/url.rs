//! Parsing of WebSocket and proxy URLs (RFC 6455 §3).

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::uri::{Authority, Uri};
use http::{HeaderValue, uri};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// The reason why a URL cannot be connected to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// The scheme is missing or not supported.
    #[error("unsupported URL scheme, expected one of {expected}")]
    Scheme {
        /// The supported schemes.
        expected: &'static str,
    },
    /// The URL has no host.
    #[error("URL has no host")]
    Host,
    /// The port is not a number up to 65535.
    #[error("invalid port in URL")]
    Port,
    /// A part of the URL cannot be sent in a header, or the user contains a colon (RFC 7617 §2).
    #[error("invalid character in the URL's user or host")]
    Characters,
}

/// The parts of a URL in the form that a request needs.
#[derive(Debug)]
pub(crate) struct Target {
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// The host, without the scheme's default port, with brackets around an IPv6 address, and
    /// without its zone.
    pub(crate) host_header: HeaderValue,
    /// The host and port, also if it is the default port, as CONNECT requires (RFC 9110 §9.3.6).
    pub(crate) authority: String,
    pub(crate) path: String,
    /// Basic credentials from the user and password (RFC 7617 §2).
    pub(crate) authorization: Option<HeaderValue>,
}

impl Target {
    /// Parses the URL of a WebSocket.
    pub(crate) fn websocket(url: &Uri) -> Result<Self, UrlError> {
        match scheme(url).as_str() {
            "ws" | "http" => Self::new(url, "http", 80),
            "wss" | "https" => Self::new(url, "https", 443),
            _ => Err(UrlError::Scheme { expected: "ws, wss, http, https" }),
        }
    }

    /// Parses the URL of a proxy.
    pub(crate) fn proxy(url: &Uri) -> Result<Self, UrlError> {
        match scheme(url).as_str() {
            "http" => Self::new(url, "http", 80),
            "https" => Self::new(url, "https", 443),
            _ => Err(UrlError::Scheme { expected: "http, https" }),
        }
    }

    fn new(url: &Uri, scheme: &'static str, default_port: u16) -> Result<Self, UrlError> {
        let authority = url.authority().filter(|authority| !authority.host().is_empty()).ok_or(UrlError::Host)?;
        let host = without_zone(authority.host());
        let port = match authority.port_u16() {
            Some(port) => port,
            None if has_port(authority) => return Err(UrlError::Port),
            None => default_port,
        };
        let host_header = if port == default_port { host.clone().into_owned() } else { format!("{host}:{port}") };
        Ok(Self {
            scheme,
            host_header: HeaderValue::try_from(host_header).map_err(|_| UrlError::Characters)?,
            authority: format!("{host}:{port}"),
            path: path(url),
            authorization: authorization(authority)?,
        })
    }
}

/// Returns the scheme in lower case (RFC 3986 §3.1).
fn scheme(url: &Uri) -> String {
    url.scheme_str().unwrap_or_default().to_ascii_lowercase()
}

/// Removes the zone of an IPv6 address, which is only meaningful on this machine (RFC 6874 §4).
fn without_zone(host: &str) -> Cow<'_, str> {
    match host.split_once('%').filter(|_| host.starts_with('[')) {
        Some((address, _)) => Cow::Owned(format!("{address}]")),
        None => Cow::Borrowed(host),
    }
}

/// Returns whether the host is followed by a colon and a non-empty port.
fn has_port(authority: &Authority) -> bool {
    let (_, host_and_port) = authority.as_str().rsplit_once('@').unwrap_or(("", authority.as_str()));
    let port = host_and_port.strip_prefix(authority.host()).and_then(|rest| rest.strip_prefix(':'));
    port.is_some_and(|port| !port.is_empty())
}

/// Characters that `Uri` accepts but a request line must not contain (RFC 9112 §3.2, RFC 3986
/// §3.3). Percent signs are assumed to be part of escapes.
const ESCAPED: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

/// Returns the path and query. A URL may have a query and no path, a request must not (RFC 9112
/// §3.2.1).
fn path(url: &Uri) -> String {
    let path_and_query = url.path_and_query().map_or("/", uri::PathAndQuery::as_str);
    let slash = if path_and_query.starts_with('/') { "" } else { "/" };
    format!("{slash}{}", utf8_percent_encode(path_and_query, ESCAPED))
}

fn authorization(authority: &Authority) -> Result<Option<HeaderValue>, UrlError> {
    let Some((userinfo, _)) = authority.as_str().rsplit_once('@').filter(|(userinfo, _)| !userinfo.is_empty()) else {
        return Ok(None);
    };
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let credentials: Vec<u8> = percent_decode_str(user).chain([b':']).chain(percent_decode_str(password)).collect();
    // User and password must not contain control characters (RFC 7617 §2).
    if credentials.iter().any(u8::is_ascii_control) || percent_decode_str(user).any(|byte| byte == b':') {
        return Err(UrlError::Characters);
    }
    let mut value =
        HeaderValue::try_from(format!("Basic {}", STANDARD.encode(credentials))).map_err(|_| UrlError::Characters)?;
    value.set_sensitive(true);
    Ok(Some(value))
}
