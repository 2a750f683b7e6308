//! What a URL says about a connection (RFC 6455 §3).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::uri::{Authority, Uri};
use http::{HeaderValue, uri};
use percent_encoding::percent_decode_str;

/// A URL that no connection can be made to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// The scheme is missing or not one that is known here.
    #[error("the URL has no scheme out of {expected}")]
    Scheme {
        /// The schemes that would do.
        expected: &'static str,
    },
    /// The URL names no host.
    #[error("the URL names no host")]
    Host,
    /// A part of the URL cannot stand in a header.
    #[error("the user or host of the URL holds characters that it must not")]
    Characters,
}

/// The parts of a URL, as a request needs them.
#[derive(Debug)]
pub(crate) struct Target {
    /// Without the port where it is the scheme's own, with brackets around an IPv6 address.
    pub(crate) host_header: HeaderValue,
    /// With the port in any case, as CONNECT needs it (RFC 9110 §9.3.6).
    pub(crate) authority: String,
    pub(crate) path: String,
    /// Of the user and password (RFC 7617 §2).
    pub(crate) authorization: Option<HeaderValue>,
}

impl Target {
    /// Of a URL for a WebSocket.
    pub(crate) fn websocket(url: &Uri) -> Result<Self, UrlError> {
        match url.scheme_str() {
            Some("ws" | "http") => Self::new(url, 80),
            Some("wss" | "https") => Self::new(url, 443),
            _ => Err(UrlError::Scheme { expected: "ws, wss, http, https" }),
        }
    }

    /// Of a URL for a proxy.
    pub(crate) fn proxy(url: &Uri) -> Result<Self, UrlError> {
        match url.scheme_str() {
            Some("http") => Self::new(url, 80),
            Some("https") => Self::new(url, 443),
            _ => Err(UrlError::Scheme { expected: "http, https" }),
        }
    }

    fn new(url: &Uri, default_port: u16) -> Result<Self, UrlError> {
        let authority = url.authority().filter(|authority| !authority.host().is_empty()).ok_or(UrlError::Host)?;
        let host = authority.host();
        let port = authority.port_u16().unwrap_or(default_port);
        let host_header = if port == default_port { host.to_owned() } else { format!("{host}:{port}") };
        Ok(Self {
            host_header: HeaderValue::try_from(host_header).map_err(|_| UrlError::Characters)?,
            authority: format!("{host}:{port}"),
            path: url.path_and_query().map_or("/", uri::PathAndQuery::as_str).to_owned(),
            authorization: authorization(authority)?,
        })
    }
}

fn authorization(authority: &Authority) -> Result<Option<HeaderValue>, UrlError> {
    let Some((userinfo, _)) = authority.as_str().rsplit_once('@') else {
        return Ok(None);
    };
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let credentials: Vec<u8> = percent_decode_str(user).chain([b':']).chain(percent_decode_str(password)).collect();
    // RFC 7617 §2: neither holds control characters.
    if credentials.iter().any(u8::is_ascii_control) {
        return Err(UrlError::Characters);
    }
    let mut value =
        HeaderValue::try_from(format!("Basic {}", STANDARD.encode(credentials))).map_err(|_| UrlError::Characters)?;
    value.set_sensitive(true);
    Ok(Some(value))
}
