use super::authority::Authority;
use super::host_pattern::HostPattern;
use super::pattern_error::PatternError;

/// The hosts that [`OriginGuard::hosts`](crate::OriginGuard::hosts) was told of.
#[derive(Debug, Clone)]
pub(super) struct AuthorityPattern {
    host: HostPattern,
    /// Any, where there is none.
    port: Option<u16>,
}

impl AuthorityPattern {
    /// `host[:port]`, where the host may begin with `*.`.
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        Self::parts(text).ok_or_else(|| PatternError::Host(text.into()))
    }

    fn parts(text: &str) -> Option<Self> {
        let below = text.strip_prefix("*.");
        let Authority { host, port } = Authority::parse(below.unwrap_or(text))?;
        let host = if below.is_some() { HostPattern::below(host)? } else { HostPattern::exactly(host) };
        Some(Self { host, port })
    }

    /// A target without a port has that of its scheme, which may not be known.
    pub(super) fn matches(&self, target: &Authority<'_>, secure: Option<bool>) -> bool {
        let is_port = |expected| match (target.port, secure) {
            (Some(port), _) => port == expected,
            (None, Some(secure)) => expected == if secure { 443 } else { 80 },
            (None, None) => [80, 443].contains(&expected),
        };
        self.host.matches(&target.host) && self.port.is_none_or(is_port)
    }
}
