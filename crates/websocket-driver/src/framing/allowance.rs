/// The number of frames that may still be parsed before others get their turn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance(u32);

impl Allowance {
    /// Any number of frames.
    pub(crate) const UNLIMITED: Self = Self(u32::MAX);

    /// `u32::MAX` stands for any number.
    pub(crate) fn new(frames: u32) -> Self {
        Self(frames)
    }

    #[inline]
    pub(crate) fn is_exhausted(self) -> bool {
        self.0 == 0
    }

    /// Takes one frame off what is left, of which there is one.
    #[inline]
    pub(crate) fn spend_one(&mut self) {
        self.0 -= u32::from(self.0 != u32::MAX);
    }

    /// Takes this many frames off, if as many are left.
    #[inline]
    pub(crate) fn try_spend(&mut self, frames: u32) -> bool {
        match self.0.checked_sub(frames) {
            _ if self.0 == u32::MAX => true,
            Some(left) => {
                self.0 = left;
                true
            }
            None => false,
        }
    }

    /// Returns how many messages a [`Batch`](crate::Batch) may hand out.
    #[inline]
    pub(crate) fn for_batch(self) -> u16 {
        u16::try_from(self.0).unwrap_or(u16::MAX)
    }

    /// Takes off what a batch has handed out, of which this many could be left.
    #[inline]
    pub(crate) fn spend_batch(&mut self, left: u16) {
        if self.0 != u32::MAX {
            self.0 -= u32::from(self.for_batch().saturating_sub(left));
        }
    }
}
