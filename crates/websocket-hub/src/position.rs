use std::fmt;
use std::str::FromStr;

/// A position in the sequence of a topic's messages. A client that remembers the position of the
/// last message it has received can [resume](crate::Subscribe::since) after it.
///
/// Offsets of a topic increase with each message, not necessarily by one. They can only be compared
/// if the epochs are equal: a hub that has lost its history, for example by a restart, starts a new
/// epoch.
///
/// It is sent to clients as text, since numbers in JavaScript cannot represent all 64-bit integers:
///
/// ```
/// use websocket_hub::Position;
///
/// let position = Position::new(0xc0ffee, 42);
/// assert_eq!(position.to_string(), "c0ffee-42");
/// assert_eq!("c0ffee-42".parse(), Ok(position));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    epoch: u64,
    offset: u64,
}

impl Position {
    /// The position of messages without one: those of [`publish_local`](crate::Hub::publish_local),
    /// and those of backends that do not count messages. Resuming from it reports
    /// [`Lost`](crate::Recovery::Lost).
    pub const UNKNOWN: Self = Self::new(0, 0);

    /// Creates a position. Used by [backends](crate::backend).
    #[must_use]
    pub const fn new(epoch: u64, offset: u64) -> Self {
        Self { epoch, offset }
    }

    /// Returns the epoch.
    #[must_use]
    pub const fn epoch(self) -> u64 {
        self.epoch
    }

    /// Returns the offset, which can be compared with others of the same topic and epoch.
    #[must_use]
    pub const fn offset(self) -> u64 {
        self.offset
    }

    /// Returns whether this is a position other than [`UNKNOWN`](Self::UNKNOWN).
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.epoch != 0
    }

    /// Returns whether this position is known to be at or before another one.
    pub(crate) fn is_covered_by(self, other: Self) -> bool {
        self.is_known() && self.epoch == other.epoch && self.offset <= other.offset
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.epoch, self.offset)
    }
}

/// The error of parsing a [`Position`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid position")]
pub struct ParsePositionError(());

impl FromStr for Position {
    type Err = ParsePositionError;

    fn from_str(text: &str) -> Result<Self, ParsePositionError> {
        let (epoch, offset) = text.split_once('-').ok_or(ParsePositionError(()))?;
        // The standard library accepts a sign as well.
        if epoch.starts_with('+') || offset.starts_with('+') {
            return Err(ParsePositionError(()));
        }
        let epoch = u64::from_str_radix(epoch, 16).map_err(|_| ParsePositionError(()))?;
        let offset = offset.parse().map_err(|_| ParsePositionError(()))?;
        Ok(Self { epoch, offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_is_displayed_and_parsed() {
        for position in [Position::new(1, 0), Position::new(u64::MAX, u64::MAX), Position::UNKNOWN] {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
    }

    #[test]
    fn malformed_position_is_rejected() {
        for text in ["", "-", "1", "1-", "-1", "g-1", "1-x", "+1-1", "1-+1", "1-1-1", "1--1", "10000000000000000-1"] {
            assert_eq!(text.parse::<Position>(), Err(ParsePositionError(())), "{text:?}");
        }
    }
}
