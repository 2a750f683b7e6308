use std::fmt;

/// The version of the WebSocket protocol that a connection uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Version {
    /// RFC 6455, `Sec-WebSocket-Version: 13`. Over HTTP/2 according to RFC 8441.
    Hybi13,
    /// draft-ietf-hybi-thewebsocketprotocol-08 to -12, `Sec-WebSocket-Version: 8`.
    Hybi8,
    /// draft-ietf-hybi-thewebsocketprotocol-07, `Sec-WebSocket-Version: 7`.
    Hybi7,
    /// draft-hixie-thewebsocketprotocol-76, which is identical to hybi-00.
    Hixie76,
    /// draft-hixie-thewebsocketprotocol-75.
    Hixie75,
}

impl Version {
    /// Returns the name: `hybi-13`, `hybi-8`, `hybi-7`, `hixie-76` or `hixie-75`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hybi13 => "hybi-13",
            Self::Hybi8 => "hybi-8",
            Self::Hybi7 => "hybi-7",
            Self::Hixie76 => "hixie-76",
            Self::Hixie75 => "hixie-75",
        }
    }

    /// Returns whether this is one of the two hixie drafts, which only have text messages.
    #[must_use]
    pub const fn is_hixie(self) -> bool {
        matches!(self, Self::Hixie76 | Self::Hixie75)
    }

    /// Returns whether this is older than RFC 6455, so that it is only accepted with
    /// [`Config::allow_drafts`](crate::Config::allow_drafts).
    #[must_use]
    pub const fn is_draft(self) -> bool {
        !matches!(self, Self::Hybi13)
    }

    /// Returns the reason phrase of the 101 response. Clients of hixie-75 compare it.
    #[must_use]
    pub const fn reason_phrase(self) -> &'static str {
        match self {
            Self::Hixie75 => "Web Socket Protocol Handshake",
            Self::Hixie76 => "WebSocket Protocol Handshake",
            _ => "Switching Protocols",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
