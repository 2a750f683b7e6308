use std::fmt;
use std::str::FromStr;

/// The size of an LZ77 window as a power of two: 8, for 256 bytes, to 15, for 32 KiB (RFC 7692 §7.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 8, the smallest. Nothing is compressed with it here: zlib cannot, and says 9 instead.
    pub const MIN: Self = Self(8);
    /// 15, the largest, which holds where nothing is said.
    pub const MAX: Self = Self(15);

    /// A size; `None` beyond 8 to 15.
    #[must_use]
    pub const fn new(bits: u8) -> Option<Self> {
        if bits >= Self::MIN.0 && bits <= Self::MAX.0 { Some(Self(bits)) } else { None }
    }

    /// The power of two.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether a compressor can keep to it.
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
        // A sign, or zeros before the number, would be gone by now.
        if bits.to_string() == text { Ok(bits) } else { Err(InvalidWindowBits) }
    }
}

impl fmt::Display for WindowBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
