//! Authorities and origins as they appear in requests.

use std::net::Ipv6Addr;

use http::{HeaderMap, Request, header};

/// A `uri-host [ ":" port ]` (RFC 9110 §7.2), without user information, and with a valid port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    pub(super) host: Host<'a>,
    pub(super) port: Option<u16>,
}

/// A host as written: nothing is resolved, decoded or completed.
#[derive(Debug, Clone, Copy, Eq)]
pub(super) enum Host<'a> {
    /// A name or an IPv4 address.
    Name(&'a str),
    /// An IPv6 address, which is written in brackets.
    Ipv6(Ipv6Addr),
}

impl<'a> Authority<'a> {
    /// Parses an authority. Returns `None` if it is malformed.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (host, rest) = match text.strip_prefix('[') {
            Some(text) => {
                let (address, rest) = text.split_once(']')?;
                (Host::Ipv6(address.parse().ok()?), rest)
            }
            None => {
                let (name, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
                (Host::name(name)?, rest)
            }
        };
        let port = match rest {
            // An empty port means the default port (RFC 3986 §3.2.3).
            "" | ":" => None,
            _ => Some(port(rest.strip_prefix(':')?)?),
        };
        Some(Self { host, port })
    }
}

impl<'a> Host<'a> {
    /// Parses a name: labels of letters, digits, `-` and `_` that are not empty, except for the
    /// root at the end. Browsers encode all other names in these characters (RFC 5890 §2.3.2.1).
    fn name(text: &'a str) -> Option<Self> {
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        text.strip_suffix('.').unwrap_or(text).split('.').all(is_label).then_some(Self::Name(text))
    }
}

impl PartialEq for Host<'_> {
    /// Compares case-insensitively (RFC 3986 §3.2.2). A trailing dot makes a different host, as in
    /// browsers.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(one), Self::Name(other)) => one.eq_ignore_ascii_case(other),
            (Self::Ipv6(one), Self::Ipv6(other)) => one == other,
            _ => false,
        }
    }
}

/// Parses a port of only digits that is not 0.
fn port(digits: &str) -> Option<u16> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|&port| is_number && port != 0)
}

/// A serialized origin (RFC 6454 §6.2) other than `null`.
#[derive(Debug, Clone, Copy)]
pub(super) struct SerializedOrigin<'a> {
    pub(super) scheme: &'a str,
    pub(super) host: Host<'a>,
    port: Option<u16>,
}

impl<'a> SerializedOrigin<'a> {
    /// Parses an origin. Returns `None` if it is malformed: user information, a path, a query and a
    /// fragment are not part of an origin.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme))?;
        if authority.is_empty() && scheme.eq_ignore_ascii_case("file") {
            // Some WebViews send this instead of `null`.
            return Some(Self { scheme, host: Host::Name(""), port: None });
        }
        if authority.ends_with(':') {
            return None;
        }
        let Authority { host, port } = Authority::parse(authority)?;
        Some(Self { scheme, host, port })
    }

    pub(super) fn has_port(&self) -> bool {
        self.port.is_some()
    }

    /// Returns the port, which may be the default of the scheme.
    pub(super) fn port(&self) -> Option<u16> {
        self.port.or_else(|| default_port(self.scheme))
    }

    /// Returns whether the request was sent to this origin. HTTP/1.1 requests do not include the
    /// scheme, and a proxy may have terminated TLS: an unknown scheme is assumed to be that of the
    /// origin.
    pub(super) fn is_same(&self, target: &Authority<'_>, secure: Option<bool>) -> bool {
        let Some(default_port) = default_port(self.scheme) else {
            return false;
        };
        secure.is_none_or(|secure| secure == (default_port == 443))
            && self.host == target.host
            && self.port.unwrap_or(default_port) == target.port.unwrap_or(default_port)
    }
}

/// Returns the default port of a scheme (RFC 9110 §4.2.1 and §4.2.2, RFC 6455 §3).
fn default_port(scheme: &str) -> Option<u16> {
    let is = |other: &&str| scheme.eq_ignore_ascii_case(other);
    if ["http", "ws"].iter().any(is) {
        Some(80)
    } else if ["https", "wss"].iter().any(is) {
        Some(443)
    } else {
        None
    }
}

/// Returns whether the text is a valid scheme (RFC 3986 §3.1).
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// Returns the authority that a request is sent to, or `None` if it is missing, ambiguous or
/// malformed.
pub(super) fn target_authority<B>(request: &Request<B>) -> Option<Authority<'_>> {
    let host = host(request.headers())?;
    match (request.uri().authority(), host) {
        (Some(target), host) => {
            let target = Authority::parse(target.as_str())?;
            // On HTTP/1.1 the request line takes precedence over the header (RFC 9112 §3.2.2). From
            // HTTP/2 on, a different header makes the request malformed (RFC 9113 §8.3.1).
            let is_above = request.version() < http::Version::HTTP_2;
            (is_above || host.is_none_or(|host| Authority::parse(host) == Some(target))).then_some(target)
        }
        (None, host) => Authority::parse(host?),
    }
}

/// Returns the `Host` header, if any. It must not be repeated (RFC 9112 §3.2) and must be ASCII.
fn host(headers: &HeaderMap) -> Option<Option<&str>> {
    let mut values = headers.get_all(header::HOST).iter();
    match (values.next(), values.next()) {
        (None, _) => Some(None),
        (Some(value), None) => Some(Some(value.to_str().ok()?.trim_matches([' ', '\t']))),
        (Some(_), Some(_)) => None,
    }
}
