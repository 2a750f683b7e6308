use std::fmt;
use std::str::FromStr;

/// The size of an LZ77 window as a power of two: 8, for 256 bytes, to 15, for 32 KiB (RFC 7692
/// §7.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// The smallest size, 8. zlib cannot compress with it and uses 9 instead, so this crate does
    /// not compress with it.
    pub const MIN: Self = Self(8);
    /// The largest size, 15, which applies if none is negotiated.
    pub const MAX: Self = Self(15);

    /// Creates a size, or returns `None` outside of 8 to 15.
    #[must_use]
    pub const fn new(bits: u8) -> Option<Self> {
        if bits >= Self::MIN.0 && bits <= Self::MAX.0 { Some(Self(bits)) } else { None }
    }

    /// Returns the exponent.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Returns whether zlib can compress with this size.
    pub(crate) const fn can_compress(self) -> bool {
        self.0 > Self::MIN.0
    }
}

/// The text is not a number from 8 to 15, in decimal and without leading zeros (RFC 7692 §7.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid window bits, expected a number from 8 to 15")]
#[non_exhaustive]
pub struct InvalidWindowBits;

impl FromStr for WindowBits {
    type Err = InvalidWindowBits;

    fn from_str(text: &str) -> Result<Self, InvalidWindowBits> {
        let bits = text.parse().ok().and_then(Self::new).ok_or(InvalidWindowBits)?;
        // Parsing accepts a sign and leading zeros, which the specification does not.
        if bits.to_string() == text { Ok(bits) } else { Err(InvalidWindowBits) }
    }
}

impl fmt::Display for WindowBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
