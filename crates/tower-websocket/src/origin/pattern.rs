//! Patterns for the origins and hosts that a guard allows.

use std::net::Ipv6Addr;

use super::authority::{Authority, Host, SerializedOrigin};

/// The reason why [`OriginGuard`](crate::OriginGuard) rejects a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// The text is not an origin: a scheme, a host and optionally a port, followed by nothing, not
    /// even a `/`. Names must be written as browsers send them, in ASCII (`xn--…`).
    #[error("invalid origin {0:?}, expected e.g. \"https://example.com\" or \"http://localhost:8080\"")]
    Origin(String),
    /// The text is `null`, which is not an origin.
    #[error("use `allow_null` to accept `null`")]
    Null,
    /// A `*` is neither the first label of the host nor the port.
    #[error("invalid wildcard in {0:?}, expected e.g. \"https://*.example.com\" or \"http://localhost:*\"")]
    Wildcard(String),
    /// The text is not a host: a name, an IPv4 address or an IPv6 address in brackets, and
    /// optionally a port.
    #[error("invalid host {0:?}, expected e.g. \"localhost\", \"127.0.0.1:8080\", \"[::1]\" or \"*.example.com\"")]
    Host(String),
}

/// A pattern of [`OriginGuard::allow`](crate::OriginGuard::allow).
#[derive(Debug, Clone)]
pub(super) struct OriginPattern {
    scheme: Box<str>,
    host: HostPattern,
    port: PortPattern,
}

#[derive(Debug, Clone, PartialEq)]
enum PortPattern {
    Any,
    /// This port, or no port if the scheme has no default.
    Exactly(Option<u16>),
}

impl OriginPattern {
    /// Parses `scheme://host[:port]`, where the host may begin with `*.`, and the port may be `*`.
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        Self::parts(text).ok_or_else(|| match text {
            "null" => PatternError::Null,
            _ if text.contains('*') => PatternError::Wildcard(text.into()),
            _ => PatternError::Origin(text.into()),
        })
    }

    fn parts(text: &str) -> Option<Self> {
        let (text, any_port) = text.strip_suffix(":*").map_or((text, false), |text| (text, true));
        // Without the wildcards, the rest must be a regular origin, which contains no `*`.
        let (text, is_below) = match text.split_once("://*.") {
            Some((scheme, host)) => (format!("{scheme}://{host}"), true),
            None => (text.into(), false),
        };
        let origin = SerializedOrigin::parse(&text)?;
        let host = if is_below { HostPattern::below(origin.host)? } else { HostPattern::exactly(origin.host) };
        let port = match any_port {
            true if origin.has_port() => return None,
            true => PortPattern::Any,
            false => PortPattern::Exactly(origin.port()),
        };
        Some(Self { scheme: origin.scheme.into(), host, port })
    }

    pub(super) fn matches(&self, origin: &SerializedOrigin<'_>) -> bool {
        self.scheme.eq_ignore_ascii_case(origin.scheme)
            && self.host.matches(&origin.host)
            && (self.port == PortPattern::Any || self.port == PortPattern::Exactly(origin.port()))
    }
}

/// A pattern of [`OriginGuard::hosts`](crate::OriginGuard::hosts).
#[derive(Debug, Clone)]
pub(super) struct AuthorityPattern {
    host: HostPattern,
    /// `None` matches any port.
    port: Option<u16>,
}

impl AuthorityPattern {
    /// Parses `host[:port]`, where the host may begin with `*.`.
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        Self::parts(text).ok_or_else(|| PatternError::Host(text.into()))
    }

    fn parts(text: &str) -> Option<Self> {
        let below = text.strip_prefix("*.");
        let Authority { host, port } = Authority::parse(below.unwrap_or(text))?;
        let host = if below.is_some() { HostPattern::below(host)? } else { HostPattern::exactly(host) };
        Some(Self { host, port })
    }

    /// Returns whether the target matches. A target without a port has the default port of its
    /// scheme, which may be unknown.
    pub(super) fn matches(&self, target: &Authority<'_>, secure: Option<bool>) -> bool {
        let is_port = |expected| match (target.port, secure) {
            (Some(port), _) => port == expected,
            (None, Some(secure)) => expected == if secure { 443 } else { 80 },
            (None, None) => [80, 443].contains(&expected),
        };
        self.host.matches(&target.host) && self.port.is_none_or(is_port)
    }
}

/// A pattern for hosts.
#[derive(Debug, Clone)]
pub(super) enum HostPattern {
    Name(Box<str>),
    /// All subdomains of this name at any depth, but not the name itself.
    Below(Box<str>),
    Ipv6(Ipv6Addr),
}

impl HostPattern {
    pub(super) fn exactly(host: Host<'_>) -> Self {
        match host {
            Host::Name(name) => Self::Name(name.into()),
            Host::Ipv6(address) => Self::Ipv6(address),
        }
    }

    /// Returns a pattern for subdomains, or `None` for an address.
    pub(super) fn below(host: Host<'_>) -> Option<Self> {
        match host {
            Host::Name(name) if !name.is_empty() && !is_address(name) => Some(Self::Below(name.into())),
            _ => None,
        }
    }

    pub(super) fn matches(&self, host: &Host<'_>) -> bool {
        match (self, host) {
            (Self::Name(name), Host::Name(host)) => name.eq_ignore_ascii_case(host),
            (Self::Ipv6(address), Host::Ipv6(host)) => address == host,
            (Self::Below(name), Host::Name(host)) => is_below(host, name),
            _ => false,
        }
    }
}

/// Returns whether `host` is a subdomain of `name`. The dot between them is required:
/// `evilexample.com` is not below `example.com`.
fn is_below(host: &str, name: &str) -> bool {
    let start = host.len().checked_sub(name.len());
    start
        .and_then(|start| host.split_at_checked(start))
        .is_some_and(|(labels, rest)| labels.ends_with('.') && rest.eq_ignore_ascii_case(name))
}

/// Returns whether browsers interpret a name as an IPv4 address, valid or not: its last label is a
/// number.
fn is_address(name: &str) -> bool {
    let last = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    last.starts_with("0x") || last.starts_with("0X") || last.bytes().all(|byte| byte.is_ascii_digit())
}
