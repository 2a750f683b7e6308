use std::net::Ipv6Addr;

use super::authority::Host;

/// The hosts that a pattern stands for.
#[derive(Debug, Clone)]
pub(super) enum HostPattern {
    Name(Box<str>),
    /// All names below this one, at any depth, but not itself.
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

    /// `None` where nothing can be below it, as it is an address.
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

/// The dot between is part of what must be there: `evilexample.com` is not below `example.com`.
fn is_below(host: &str, name: &str) -> bool {
    let start = host.len().checked_sub(name.len());
    start
        .and_then(|start| host.split_at_checked(start))
        .is_some_and(|(labels, rest)| labels.ends_with('.') && rest.eq_ignore_ascii_case(name))
}

/// Whether browsers take a name for an IPv4 address, or an attempt at one: its last label is a number.
fn is_address(name: &str) -> bool {
    let last = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    last.starts_with("0x") || last.starts_with("0X") || last.bytes().all(|byte| byte.is_ascii_digit())
}
