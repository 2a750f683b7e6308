//! Short texts in a buffer of fixed size. Operations on the whole buffer need no loop and no call,
//! and every store is as wide as the load that follows: a load of what several narrower stores have
//! just written stalls for about 4 ns.

use std::str;

use simdutf8::basic::from_utf8;

/// The maximum length of an inline text in bytes.
pub(crate) const MAX_INLINE: usize = 48;

/// A text of at most [`MAX_INLINE`] bytes, padded with zeros.
#[derive(Debug, Clone, Copy)]
#[repr(align(8))]
pub(crate) struct InlineText([[u8; 16]; MAX_INLINE / 16]);

impl InlineText {
    pub(crate) const EMPTY: Self = Self([[0; 16]; MAX_INLINE / 16]);

    /// Copies a text, or returns `None` if it is too long.
    #[inline]
    pub(crate) fn copy(text: &str) -> Option<Self> {
        let mut short = Self::EMPTY;
        short.0.as_flattened_mut().get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(short)
    }

    /// Unmasks the first `len` bytes into `self`, and returns whether they are ASCII.
    // Baseline: batch-text-32, borrowed-text-32.
    #[inline(always)]
    pub(crate) fn unmask(&mut self, masked: &[u8], len: usize, mask: [u8; 4]) -> bool {
        // Reading bytes beyond `len` is free, they are masked out below.
        match masked.first_chunk() {
            Some(masked) => self.fill(masked, len, mask),
            None => self.fill(&pad(masked), len, mask),
        }
    }

    /// Unmasks the first `len` bytes of a word into `self`, where all bytes from `at` on are zero,
    /// and returns them. Bytes that do not fit are omitted.
    #[inline]
    pub(crate) fn unmask_word(&mut self, at: usize, word: [u8; 8], len: usize, mask: [u8; 4]) -> u64 {
        let mask = u64::from(u32::from_le_bytes(mask));
        let window = 1_u64.checked_shl(8 * len as u32).unwrap_or(0).wrapping_sub(1);
        let unmasked = (u64::from_le_bytes(word) ^ (mask << 32 | mask)) & window;
        let rest = self.0.as_flattened_mut().get_mut(at..).unwrap_or_default();
        match rest.first_chunk_mut() {
            // The whole word, as what is behind the text is zero.
            Some(place) => *place = unmasked.to_le_bytes(),
            None => rest.iter_mut().zip(unmasked.to_le_bytes()).for_each(|(place, byte)| *place = byte),
        }
        unmasked
    }

    /// Returns whether the bytes are valid UTF-8. `unmask` has already recognized ASCII. The buffer
    /// is padded to 64 bytes, where the SIMD path of simdutf8 begins.
    // Baseline: batch-text-32.
    #[inline(never)]
    pub(crate) fn is_utf8(&self) -> bool {
        let mut padded = [0; 64];
        padded[..MAX_INLINE].copy_from_slice(self.as_bytes());
        from_utf8(&padded).is_ok()
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8; MAX_INLINE] {
        self.0.as_flattened().first_chunk().unwrap_or(&[0; MAX_INLINE])
    }

    /// Returns the text if it is valid UTF-8. Revalidation is cheap, since it works on whole words
    /// of the zero-padded buffer.
    #[inline]
    pub(crate) fn as_str(&self, len: usize) -> Option<&str> {
        let words = self.0.as_flattened().get(..len.next_multiple_of(16))?;
        str::from_utf8(words).ok()?.get(..len)
    }

    /// Returns the text if it is valid UTF-8. `is_ascii` is the result of `unmask`.
    #[inline]
    pub(crate) fn validate(&self, len: usize, is_ascii: bool) -> Option<&str> {
        // The zero padding would only slow down the validation of other texts.
        if is_ascii { self.as_str(len) } else { from_utf8(&self.as_bytes()[..len]).ok() }
    }

    /// The inner loop of `unmask`. Not inlined, because the compiler would split the stores.
    // Baseline: batch-text-32, borrowed-text-32.
    #[inline(never)]
    fn fill(&mut self, masked: &[u8; MAX_INLINE], len: usize, mask: [u8; 4]) -> bool {
        let mask = u32::from_ne_bytes(mask);
        let words = self.0.as_flattened_mut().as_chunks_mut::<4>().0;
        let window = WINDOW[MAX_INLINE - len..].as_chunks::<4>().0;
        let mut seen = 0;
        for ((word, masked), window) in words.iter_mut().zip(masked.as_chunks::<4>().0).zip(window) {
            let unmasked = (u32::from_ne_bytes(*masked) ^ mask) & u32::from_ne_bytes(*window);
            seen |= unmasked;
            *word = unmasked.to_ne_bytes();
        }
        seen & 0x8080_8080 == 0
    }
}

/// The slice that starts at `MAX_INLINE - len` is a mask that keeps the first `len` bytes.
static WINDOW: [u8; 2 * MAX_INLINE] = {
    let mut window = [0; 2 * MAX_INLINE];
    let mut at = 0;
    while at < MAX_INLINE {
        window[at] = 0xff;
        at += 1;
    }
    window
};

fn pad(bytes: &[u8]) -> [u8; MAX_INLINE] {
    let mut padded = [0; MAX_INLINE];
    let len = bytes.len().min(MAX_INLINE);
    padded[..len].copy_from_slice(&bytes[..len]);
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_any_length_is_unmasked_and_validated() {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let masked =
            |bytes: &[u8]| -> Vec<u8> { bytes.iter().enumerate().map(|(i, byte)| byte ^ mask[i % 4]).collect() };
        for len in 0..=MAX_INLINE {
            let ascii: String = ('0'..).take(len).collect();
            let mixed = format!("{}{}{}", "é".repeat(len / 3), "x".repeat(len % 3), "x".repeat(len / 3));
            for text in [&ascii, &mixed] {
                // With and without bytes after the text.
                for rest in [0, 7, 100] {
                    let mut frame = masked(text.as_bytes());
                    frame.extend(vec![0xff; rest]);
                    let mut short = InlineText::EMPTY;
                    assert_eq!(short.unmask(&frame, len, mask), text.is_ascii());
                    assert!(short.is_utf8());
                    assert_eq!(short.as_str(len), Some(&text[..]));
                    assert_eq!(short.as_bytes()[len..], [0; MAX_INLINE][len..]);
                    assert_eq!(InlineText::copy(text).unwrap().as_bytes(), short.as_bytes());
                }
            }
            // A character truncated at the end.
            if let Some(last) = len.checked_sub(1) {
                let frame = masked(&[&ascii.as_bytes()[..last], &[0xc3, 0xa9]].concat());
                let mut short = InlineText::EMPTY;
                assert!(!short.unmask(&frame, len, mask) && !short.is_utf8(), "{len} bytes");
                assert_eq!(short.as_str(len), None);
            }
        }
    }
}
