use rand::RngExt;
use rand::rngs::StdRng;
use tower_websocket::Version;
use tower_websocket::error::Limit;

/// The kinds of peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    /// `connect` over HTTP/1.1.
    Http1,
    /// The same with permessage-deflate.
    Http1Deflate,
    /// `connect` on HTTP/2 connections shared by many peers.
    Http2,
    /// The same with permessage-deflate.
    Http2Deflate,
    /// A raw client of this version.
    Raw(Draft),
    /// Reads a little occasionally, or nothing for long and then much.
    Slow,
    /// Reads 32 KiB per second without a pause, while more than that is always waiting for it.
    Throttled,
    /// Sends through futures that are dropped at any time.
    Canceller,
    /// Sends and does not read the echoes.
    Deaf,
    /// Stops sending, and keeps the connection.
    HalfOpen,
    /// Ends TCP at any byte.
    Cutter,
    /// Sends a flood.
    Flooder,
    /// Violates a rule.
    Breaker,
}

/// A version, in order of age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Draft {
    Hixie75,
    Hixie76,
    Hybi7,
    Hybi8,
    Hybi13,
}

/// How the server should see the connection end, unless the shutdown comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// The peer closes after every echo was received.
    Closed,
    /// The peer does not answer a ping.
    NoPong,
    /// The transport ends.
    Gone,
    /// The peer exceeds one of these limits.
    Limit(&'static [Limit]),
    /// The peer violates the protocol.
    Protocol,
}

/// The percentage of each kind.
const SHARES: [(Kind, u32); 17] = [
    (Kind::Http1, 10),
    (Kind::Http1Deflate, 11),
    (Kind::Http2, 10),
    (Kind::Http2Deflate, 4),
    (Kind::Raw(Draft::Hixie75), 6),
    (Kind::Raw(Draft::Hixie76), 6),
    (Kind::Raw(Draft::Hybi7), 5),
    (Kind::Raw(Draft::Hybi8), 5),
    (Kind::Raw(Draft::Hybi13), 10),
    (Kind::Slow, 5),
    (Kind::Throttled, 3),
    (Kind::Canceller, 3),
    (Kind::Deaf, 4),
    (Kind::HalfOpen, 4),
    (Kind::Cutter, 6),
    (Kind::Flooder, 6),
    (Kind::Breaker, 3),
];

impl Kind {
    pub(super) fn random(rng: &mut StdRng) -> Self {
        let mut at = rng.random_range(0..SHARES.iter().map(|(_, share)| share).sum());
        for (kind, share) in SHARES {
            if at < share {
                return kind;
            }
            at -= share;
        }
        Self::Http1
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Http1 => "connect, HTTP/1.1",
            Self::Http1Deflate => "connect, HTTP/1.1, deflate",
            Self::Http2 => "connect, HTTP/2",
            Self::Http2Deflate => "connect, HTTP/2, deflate",
            Self::Raw(version) => version.version().as_str(),
            Self::Slow => "slow readers",
            Self::Throttled => "reading 32 KiB/s",
            Self::Canceller => "cancelling senders",
            Self::Deaf => "not reading",
            Self::HalfOpen => "half-open",
            Self::Cutter => "cutters",
            Self::Flooder => "flooders",
            Self::Breaker => "breakers",
        }
    }
}

impl Draft {
    pub(super) const ALL: [Self; 5] = [Self::Hixie75, Self::Hixie76, Self::Hybi7, Self::Hybi8, Self::Hybi13];
    pub(super) const HYBI: [Self; 3] = [Self::Hybi7, Self::Hybi8, Self::Hybi13];

    pub(super) const fn version(self) -> Version {
        match self {
            Self::Hixie75 => Version::Hixie75,
            Self::Hixie76 => Version::Hixie76,
            Self::Hybi7 => Version::Hybi7,
            Self::Hybi8 => Version::Hybi8,
            Self::Hybi13 => Version::Hybi13,
        }
    }
}
