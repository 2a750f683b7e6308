use super::host_pattern::HostPattern;
use super::pattern_error::PatternError;
use super::serialized_origin::SerializedOrigin;

/// The origins that [`OriginGuard::allow`](crate::OriginGuard::allow) was told of.
#[derive(Debug, Clone)]
pub(super) struct OriginPattern {
    scheme: Box<str>,
    host: HostPattern,
    port: PortPattern,
}

#[derive(Debug, Clone, PartialEq)]
enum PortPattern {
    Any,
    /// That, or none where the scheme implies none.
    Exactly(Option<u16>),
}

impl OriginPattern {
    /// `scheme://host[:port]`, where the host may begin with `*.`, and the port be `*`.
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        Self::parts(text).ok_or_else(|| match text {
            "null" => PatternError::Null,
            _ if text.contains('*') => PatternError::Wildcard(text.into()),
            _ => PatternError::Origin(text.into()),
        })
    }

    fn parts(text: &str) -> Option<Self> {
        let (text, any_port) = text.strip_suffix(":*").map_or((text, false), |text| (text, true));
        // Without the wildcards it is an origin like any other, which has no `*`.
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
