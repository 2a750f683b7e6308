use super::authority::{Authority, Host};

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
            // What some WebViews say in place of `null`.
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
