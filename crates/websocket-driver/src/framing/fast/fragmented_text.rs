use bytes::{Buf, BytesMut};

use crate::framing::fast::fragments::{HEADER, MAX_FRAGMENTS};
use crate::message::inline_text::{InlineText, MAX_INLINE};
use crate::message::utf8::{InvalidUtf8, Utf8Bytes};
use crate::message::{Message, MessageRef};

/// The size of a frame whose payload is one word.
const WORD_FRAME: usize = HEADER + 8;

/// A complete text of at most [`MAX_INLINE`] bytes from a client in several frames, without control
/// frames in between.
#[derive(Debug)]
pub(crate) struct FragmentedText {
    text: InlineText,
    len: usize,
    /// All bytes of the text combined, to recognize ASCII.
    seen: u64,
    /// The size of the frames in bytes.
    size: usize,
    count: u8,
}

impl FragmentedText {
    pub(crate) const EMPTY: Self = Self { text: InlineText::EMPTY, len: 0, seen: 0, size: 0, count: 0 };

    /// Reads the text at the start of the input in one pass, and returns `true`, if it is complete,
    /// no longer than `limit` and in at most `max_fragments` frames. Anything else, valid or not, is
    /// left to [`Fragments`](super::fragments::Fragments).
    #[inline]
    pub(crate) fn read(&mut self, input: &[u8], limit: u16, max_fragments: usize) -> bool {
        input.first() == Some(&0x01) && self.read_frames(input, limit, max_fragments).is_some()
    }

    fn read_frames(&mut self, input: &[u8], limit: u16, max_fragments: usize) -> Option<()> {
        *self = Self::EMPTY;
        let (mut rest, mut opcode) = (input, 0x01);
        for count in 1..max_fragments.min(MAX_FRAGMENTS) + 1 {
            // Most fragments are one word, and not the end of the input.
            let (first, size) = match rest.first_chunk::<WORD_FRAME>() {
                Some(&[first, second @ 0x80..=0x88, m0, m1, m2, m3, ref word @ ..]) => {
                    let payload = usize::from(second & 0x7f);
                    self.put_word(*word, payload, [m0, m1, m2, m3]);
                    (first, HEADER + payload)
                }
                _ => self.read_frame(rest)?,
            };
            rest = rest.get(size..)?;
            // Without reserved bits.
            if first & 0x7f != opcode || self.len > MAX_INLINE {
                return None;
            }
            if first & 0x80 != 0 {
                (self.size, self.count) = (input.len() - rest.len(), count as u8);
                return (self.len <= limit.into()).then_some(());
            }
            opcode = 0x00;
        }
        None
    }

    /// Reads a frame of any length. Returns its first byte and its size in bytes.
    // Baseline: batch-fragments-20.
    #[inline(never)]
    fn read_frame(&mut self, frame: &[u8]) -> Option<(u8, usize)> {
        let (&[first, second @ 0x80..=0xfd], rest) = frame.split_first_chunk()? else { return None };
        let (mask, rest) = rest.split_first_chunk()?;
        let payload = usize::from(second & 0x7f);
        for word in rest.get(..payload)?.chunks(8) {
            let mut padded = [0; 8];
            padded[..word.len()].copy_from_slice(word);
            self.put_word(padded, word.len(), *mask);
        }
        Some((first, HEADER + payload))
    }

    /// Unmasks and appends the first `len` bytes of a word.
    #[inline]
    fn put_word(&mut self, word: [u8; 8], len: usize, mask: [u8; 4]) {
        self.seen |= self.text.unmask_word(self.len, word, len, mask);
        self.len += len;
    }

    /// Returns the size of the frames in bytes.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Returns the number of frames.
    #[inline]
    pub(crate) fn count(&self) -> u8 {
        self.count
    }

    /// Consumes the text from the input.
    pub(crate) fn take(&self, input: &mut BytesMut) -> Result<Message, InvalidUtf8> {
        input.advance(self.size);
        self.to_text().map(Message::Text)
    }

    /// Returns a copy of the text.
    #[inline]
    pub(crate) fn to_text(&self) -> Result<Utf8Bytes, InvalidUtf8> {
        Utf8Bytes::fill(self.len, |text| {
            *text = self.text;
            self.is_ascii()
        })
    }

    /// Returns the text.
    #[inline]
    pub(crate) fn borrow(&self) -> Result<MessageRef<'_>, InvalidUtf8> {
        self.text.validate(self.len, self.is_ascii()).map(MessageRef::Text).ok_or(InvalidUtf8)
    }

    #[inline]
    fn is_ascii(&self) -> bool {
        self.seen & 0x8080_8080_8080_8080 == 0
    }
}
