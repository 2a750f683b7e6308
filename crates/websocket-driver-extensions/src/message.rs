use std::fmt;
use std::ops::BitOr;

use bytes::Bytes;

/// A set of the three reserved bits of a frame (RFC 6455 §5.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rsv(
    /// As in the first byte of a frame, shifted right by 4.
    u8,
);

impl Rsv {
    /// No bit.
    pub const NONE: Self = Self(0);
    /// RSV1, which permessage-deflate claims.
    pub const RSV1: Self = Self(0b100);
    /// RSV2.
    pub const RSV2: Self = Self(0b010);
    /// RSV3.
    pub const RSV3: Self = Self(0b001);

    /// Returns the bits in the first byte of a frame.
    #[must_use]
    pub const fn from_first_byte(byte: u8) -> Self {
        Self(byte >> 4 & 0b111)
    }

    /// Returns the bits at their place in the first byte of a frame.
    #[must_use]
    pub const fn to_first_byte(self) -> u8 {
        self.0 << 4
    }

    /// Returns whether no bit is set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns whether all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns whether any bit of `other` is set.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns the set without the bits of `other`.
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

/// A message on its way through the extensions: always complete, regardless of the number of frames
/// on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The reserved bits of the first frame. A session clears its own bits on an incoming message,
    /// and sets them on an outgoing message that it transforms.
    pub rsv: Rsv,
    /// Whether the message is text; otherwise it is binary.
    pub is_text: bool,
    /// Whether the application allows an outgoing message to be compressed. It should not if the
    /// message mixes a secret with text an attacker can choose (RFC 7692 §8). Meaningless for
    /// incoming messages.
    pub may_compress: bool,
    /// The payload.
    pub data: Bytes,
}

impl Message {
    /// Creates a message without reserved bits that may be compressed.
    pub fn new(is_text: bool, data: impl Into<Bytes>) -> Self {
        Self { rsv: Rsv::NONE, is_text, may_compress: true, data: data.into() }
    }
}
