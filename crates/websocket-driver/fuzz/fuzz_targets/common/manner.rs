use arbitrary::Arbitrary;

use crate::size::size;

/// Whether messages are received in pieces and sent in fragments. By default, neither.
#[derive(Debug, Clone, Copy, Default, Arbitrary)]
pub struct Manner {
    /// One bit per event and received piece, repeated: whether messages are received in pieces from
    /// then on.
    pieces: u8,
    /// The sizes of the fragments, repeated. Odd ones are followed by a flush. If all are zero,
    /// messages are sent whole.
    fragments: [u8; 2],
}

impl Manner {
    pub fn may_stream(self) -> bool {
        self.pieces != 0
    }

    pub fn has_fragments(self) -> bool {
        self.fragments != [0; 2]
    }

    /// Returns whether all messages are received in pieces.
    pub(crate) fn always_streams(self) -> bool {
        self.pieces == u8::MAX
    }

    pub(crate) fn streams_at(self, turn: usize) -> bool {
        self.pieces & 1 << (turn % 8) != 0
    }

    /// Returns the size of a fragment, and whether to flush after it.
    pub(crate) fn fragment(self, number: usize) -> (usize, bool) {
        let byte = self.fragments[number % 2];
        (size(byte), byte % 2 == 1)
    }
}
