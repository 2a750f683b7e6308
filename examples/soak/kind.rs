use rand::RngExt;
use rand::rngs::StdRng;
use tower_websocket::{Limit, Version};

/// What peers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    /// By `connect`, over HTTP/1.1.
    Http1,
    /// The same, with permessage-deflate.
    Http1Deflate,
    /// By `connect` on HTTP/2 connections that many share.
    Http2,
    /// The same, with permessage-deflate.
    Http2Deflate,
    /// By hand, as clients of this version.
    Raw(Draft),
    /// Reads a little now and then, or nothing for long and then much.
    Slow,
    /// Sends more than it reads of the echoes: nothing.
    Deaf,
    /// Says nothing any more, and keeps the connection.
    HalfOpen,
    /// Ends TCP at any byte.
    Cutter,
    /// Sends more than anyone can want.
    Flooder,
    /// Breaks a rule.
    Breaker,
}

/// A version, in the order of their ages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Draft {
    Hixie75,
    Hixie76,
    Hybi7,
    Hybi8,
    Hybi13,
}

/// How the server should see it end, where the shutdown does not come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// It closes, and everything came back before.
    Closed,
    /// It does not answer a ping.
    NoPong,
    /// The transport ends.
    Gone,
    /// It goes beyond one of these limits.
    Limit(&'static [Limit]),
    /// It breaks a rule.
    Protocol,
}

/// Of a hundred peers, how many are of a kind.
const SHARES: [(Kind, u32); 15] = [
    (Kind::Http1, 11),
    (Kind::Http1Deflate, 13),
    (Kind::Http2, 11),
    (Kind::Http2Deflate, 4),
    (Kind::Raw(Draft::Hixie75), 6),
    (Kind::Raw(Draft::Hixie76), 6),
    (Kind::Raw(Draft::Hybi7), 5),
    (Kind::Raw(Draft::Hybi8), 5),
    (Kind::Raw(Draft::Hybi13), 10),
    (Kind::Slow, 6),
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
