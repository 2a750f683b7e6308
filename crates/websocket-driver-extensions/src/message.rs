use std::fmt;
use std::ops::BitOr;

use bytes::Bytes;

/// A set of the three reserved bits of a frame (RFC 6455 §5.2), as they stand in its first byte, shifted down by 4.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rsv(u8);

impl Rsv {
    /// No bit.
    pub const NONE: Self = Self(0);
    /// RSV1, which permessage-deflate has.
    pub const RSV1: Self = Self(0b100);
    /// RSV2.
    pub const RSV2: Self = Self(0b010);
    /// RSV3.
    pub const RSV3: Self = Self(0b001);

    /// The bits of a frame's first byte.
    #[must_use]
    pub const fn from_first_byte(byte: u8) -> Self {
        Self(byte >> 4 & 0b111)
    }

    /// Where they stand in a frame's first byte.
    #[must_use]
    pub const fn to_first_byte(self) -> u8 {
        self.0 << 4
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of `other`'s bits are among these.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other`'s bits is among these.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// These without those.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for Rsv {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Rsv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rsv({:03b})", self.0)
    }
}

/// A message on its way through the extensions: whole, however many frames it has on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The reserved bits of its first frame. A session takes its own off an incoming message, and sets them on an outgoing
    /// one that it transforms.
    pub rsv: Rsv,
    /// Whether it is text, else binary.
    pub is_text: bool,
    /// Whether the application allows an outgoing message to be compressed: it should not, where an attacker chooses a part
    /// of a message that holds a secret (RFC 7692 §8). Without meaning on an incoming one.
    pub may_compress: bool,
    /// The payload.
    pub data: Bytes,
}

impl Message {
    /// A message with no bits set, that may be compressed.
    pub fn new(is_text: bool, data: impl Into<Bytes>) -> Self {
        Self { rsv: Rsv::NONE, is_text, may_compress: true, data: data.into() }
    }
}
