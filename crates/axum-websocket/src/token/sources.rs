use std::borrow::Cow;
use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;

use crate::rejection::TokenRejection;

/// The places in a request that a [`Token`](crate::Token) is taken from. Add them to the extensions
/// of requests with `Router::layer(Extension(sources))`.
///
/// They are searched in this order, and the first token that is found is used:
///
/// | place | by default | |
/// |---|---|---|
/// | `Authorization: Bearer` | yes | for clients that can set headers, which pages in browsers cannot |
/// | [subprotocol](Self::subprotocol) | no | for pages in browsers |
/// | [query](Self::query) | no | servers and proxies log it: use tokens that are valid once and for seconds |
/// | [cookie](Self::cookie) | no | browsers send it for pages of every origin: use it only with an [`OriginGuard`](crate::OriginGuard) |
///
/// ```
/// use axum_websocket::TokenSources;
///
/// let sources = TokenSources::new().subprotocol("bearer.").cookie("session");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct TokenSources {
    subprotocol: Option<Arc<str>>,
    query: Option<Arc<str>>,
    cookie: Option<Arc<str>>,
}

impl TokenSources {
    /// Creates sources that contain only the header `Authorization`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the token from the offered subprotocol that begins with this prefix, and removes the
    /// prefix. Default: none.
    ///
    /// The client must also offer a subprotocol of the application, which the handler selects:
    /// browsers fail a connection if none of their subprotocols is selected, and the token must not
    /// be repeated in the response. A subprotocol cannot contain `/` or `=` (RFC 6455 §4.1), so
    /// Base64 has to be base64url without padding.
    pub fn subprotocol(self, prefix: impl Into<Arc<str>>) -> Self {
        Self { subprotocol: Some(prefix.into()), ..self }
    }

    /// Takes the token from this parameter of the query. Default: none.
    pub fn query(self, parameter: impl Into<Arc<str>>) -> Self {
        Self { query: Some(parameter.into()), ..self }
    }

    /// Takes the token from this cookie (RFC 6265 §4.2). Default: none.
    pub fn cookie(self, name: impl Into<Arc<str>>) -> Self {
        Self { cookie: Some(name.into()), ..self }
    }

    /// Returns the token of a request, if it has one.
    pub(super) fn find<'a>(&self, parts: &'a Parts) -> Result<Option<Cow<'a, str>>, TokenRejection> {
        if let Some(token) = bearer(&parts.headers)? {
            return Ok(Some(token.into()));
        }
        if let Some(prefix) = &self.subprotocol {
            let offered = items(&parts.headers, header::SEC_WEBSOCKET_PROTOCOL, ',');
            if let Some(token) = single(offered.filter_map(|name| name.strip_prefix(&**prefix)))? {
                return Ok(Some(token.into()));
            }
        }
        if let Some(parameter) = &self.query {
            let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
            let values = query.filter(|(name, _)| **name == **parameter).map(|(_, value)| value);
            if let Some(token) = single(values)? {
                return Ok(Some(token));
            }
        }
        if let Some(cookie) = &self.cookie {
            let cookies = items(&parts.headers, header::COOKIE, ';').filter_map(|pair| pair.split_once('='));
            let values = cookies.filter(|(name, _)| *name == &**cookie).map(|(_, value)| value);
            if let Some(token) = single(values)? {
                // RFC 6265 §4.1.1: the quotes are part of the syntax.
                let quoted = token.strip_prefix('"').and_then(|token| token.strip_suffix('"'));
                return Ok(Some(quoted.unwrap_or(token).into()).filter(|token: &Cow<'_, str>| !token.is_empty()));
            }
        }
        Ok(None)
    }
}

/// Returns the token of the header `Authorization` (RFC 6750 §2.1). Credentials of another scheme
/// are ignored.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, TokenRejection> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(TokenRejection::Malformed);
    }
    let line = line.as_bytes();
    let scheme = line.split(|&byte| byte == b' ').next().unwrap_or_default();
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Ok(None);
    }
    let token = line[scheme.len()..].trim_ascii();
    let is_token_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    let end = token.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last + 1);
    if end == 0 || !token[..end].iter().all(is_token_byte) {
        return Err(TokenRejection::Malformed);
    }
    std::str::from_utf8(token).map(Some).map_err(|_| TokenRejection::Malformed)
}

/// Returns the items of a list over any number of header lines, without those that are not ASCII.
fn items(headers: &HeaderMap, name: HeaderName, separator: char) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(move |line| line.split(separator)).map(str::trim)
}

/// Returns the only token, if there is one that is not empty. Of several it would be unclear which
/// one another server, such as a proxy in front of this one, has verified (RFC 6750 §2).
fn single<T: AsRef<str>>(mut tokens: impl Iterator<Item = T>) -> Result<Option<T>, TokenRejection> {
    let token = tokens.next();
    if tokens.next().is_some() {
        return Err(TokenRejection::Malformed);
    }
    Ok(token.filter(|token| !token.as_ref().is_empty()))
}
