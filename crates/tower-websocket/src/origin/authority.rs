//! Authorities and origins as they appear in requests.

use std::net::Ipv6Addr;

use http::{HeaderMap, Request, header};

/// `uri-host [ ":" port ]` (RFC 9110 §7.2): without a user, and with a port that can be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    pub(super) host: Host<'a>,
    pub(super) port: Option<u16>,
}

/// A host, unchanged: nothing is resolved, decoded or completed.
#[derive(Debug, Clone, Copy, Eq)]
pub(super) enum Host<'a> {
    /// A name, or an IPv4 address.
    Name(&'a str),
    /// An IPv6 address, which is written in brackets.
    Ipv6(Ipv6Addr),
}

impl<'a> Authority<'a> {
    /// `None` where it is malformed.
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
            // An empty port is the default one (RFC 3986 §3.2.3).
            "" | ":" => None,
            _ => Some(port(rest.strip_prefix(':')?)?),
        };
        Some(Self { host, port })
    }
}

impl<'a> Host<'a> {
    /// Letters, digits, `-` and `_` in labels that are not empty, but for the root's at the end: a browser writes all
    /// other names in these (RFC 5890 §2.3.2.1).
    fn name(text: &'a str) -> Option<Self> {
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        text.strip_suffix('.').unwrap_or(text).split('.').all(is_label).then_some(Self::Name(text))
    }
}

impl PartialEq for Host<'_> {
    /// Compares case-insensitively (RFC 3986 §3.2.2). A trailing dot makes it another host, as in browsers.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(one), Self::Name(other)) => one.eq_ignore_ascii_case(other),
            (Self::Ipv6(one), Self::Ipv6(other)) => one == other,
            _ => false,
        }
    }
}

/// Nothing but digits, and not 0, where nobody listens.
fn port(digits: &str) -> Option<u16> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|&port| is_number && port != 0)
}

/// An origin as headers write it (RFC 6454 §6.2), other than `null`.
#[derive(Debug, Clone, Copy)]
pub(super) struct SerializedOrigin<'a> {
    pub(super) scheme: &'a str,
    pub(super) host: Host<'a>,
    port: Option<u16>,
}

impl<'a> SerializedOrigin<'a> {
    /// `None` where it is malformed: a user, a path, a query or a fragment is no part of an origin.
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

    /// The port, which the scheme may imply.
    pub(super) fn port(&self) -> Option<u16> {
        self.port.or_else(|| default_port(self.scheme))
    }

    /// Whether this is where the request went. HTTP/1.1 does not tell by which scheme, and a proxy may have ended TLS:
    /// where it is not known, it is taken to be the origin's.
    pub(super) fn is_same(&self, target: &Authority<'_>, secure: Option<bool>) -> bool {
        let Some(default_port) = default_port(self.scheme) else {
            return false;
        };
        secure.is_none_or(|secure| secure == (default_port == 443))
            && self.host == target.host
            && self.port.unwrap_or(default_port) == target.port.unwrap_or(default_port)
    }
}

/// RFC 9110 §4.2.1 and §4.2.2, RFC 6455 §3.
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

/// RFC 3986 §3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// The authority that a request is meant for. `None` where there is none, or more than one, or it is malformed.
pub(super) fn target_authority<B>(request: &Request<B>) -> Option<Authority<'_>> {
    let host = host(request.headers())?;
    match (request.uri().authority(), host) {
        (Some(target), host) => {
            let target = Authority::parse(target.as_str())?;
            // On HTTP/1.1 the request line stands above the header (RFC 9112 §3.2.2); from HTTP/2 on, a header that says
            // something else makes the request malformed (RFC 9113 §8.3.1).
            let is_above = request.version() < http::Version::HTTP_2;
            (is_above || host.is_none_or(|host| Authority::parse(host) == Some(target))).then_some(target)
        }
        (None, host) => Authority::parse(host?),
    }
}

/// The header `Host`, if any: at most one (RFC 9112 §3.2), of ASCII.
fn host(headers: &HeaderMap) -> Option<Option<&str>> {
    let mut values = headers.get_all(header::HOST).iter();
    match (values.next(), values.next()) {
        (None, _) => Some(None),
        (Some(value), None) => Some(Some(value.to_str().ok()?.trim_matches([' ', '\t']))),
        (Some(_), Some(_)) => None,
    }
}
