use std::net::Ipv6Addr;

/// `uri-host [ ":" port ]` (RFC 9110 §7.2): without a user, and with a port that can be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    pub(super) host: Host<'a>,
    pub(super) port: Option<u16>,
}

/// A host as it is written. Nothing is resolved, decoded or completed.
#[derive(Debug, Clone, Copy, Eq)]
pub(super) enum Host<'a> {
    /// A name, or an IPv4 address.
    Name(&'a str),
    /// What stood in brackets.
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
    /// In any case (RFC 3986 §3.2.2). With a dot at the end it is another host, as it is to browsers.
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
