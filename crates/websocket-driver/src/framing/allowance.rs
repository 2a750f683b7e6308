/// The number of frames that may be parsed before the connection yields to others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance(u32);

impl Allowance {
    /// No limit.
    pub(crate) const UNLIMITED: Self = Self(u32::MAX);

    /// Creates an allowance. `u32::MAX` means no limit.
    pub(crate) fn new(frames: u32) -> Self {
        Self(frames)
    }

    #[inline]
    pub(crate) fn is_exhausted(self) -> bool {
        self.0 == 0
    }

    /// Deducts one frame. Must not be called if the allowance is exhausted.
    #[inline]
    pub(crate) fn spend_one(&mut self) {
        self.0 -= u32::from(self.0 != u32::MAX);
    }

    /// Deducts a number of frames, or all that are left if there are fewer.
    pub(crate) fn spend(&mut self, frames: u32) {
        if self.0 != u32::MAX {
            self.0 = self.0.saturating_sub(frames);
        }
    }

    /// Deducts a number of frames and returns `true`, or returns `false` if fewer are left.
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

    /// Returns the number of frames that a [`Batch`](crate::Batch) may consume.
    #[inline]
    pub(crate) fn for_batch(self) -> u8 {
        u8::try_from(self.0).unwrap_or(u8::MAX)
    }

    /// Deducts the frames that a batch has consumed. `left` is the number it could still have
    /// consumed.
    #[inline]
    pub(crate) fn spend_batch(&mut self, left: u8) {
        if self.0 != u32::MAX {
            self.0 -= u32::from(self.for_batch().saturating_sub(left));
        }
    }
}
