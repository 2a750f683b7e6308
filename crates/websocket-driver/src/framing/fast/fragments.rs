use bytes::{Buf, BytesMut};
use simdutf8::basic::from_utf8;

use crate::framing::mask::apply_mask;
use crate::message::inline_text::{InlineText, InlineTextBuilder, MAX_INLINE};
use crate::message::utf8::{InvalidUtf8, Utf8Bytes};
use crate::message::{Message, MessageRef};

/// The header length of a short frame: two bytes and the masking key.
const HEADER: usize = 6;

/// The maximum number of frames that are scanned. Longer messages are assembled as they arrive.
const MAX_FRAGMENTS: usize = 64;

/// A complete message from a client in several frames of at most 125 bytes, without control frames
/// in between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fragments {
    /// The size of the frames in bytes.
    size: u16,
    /// The length of the message in bytes.
    len: u16,
    count: u8,
    is_text: bool,
}

impl Fragments {
    /// Parses the message at the start of the input, if it is complete, no longer than `limit` and
    /// within `max_fragments`. Anything else, valid or not, is left to the general path.
    #[inline]
    pub(crate) fn peek(input: &[u8], limit: u16, max_fragments: usize) -> Option<Self> {
        match input.first() {
            Some(&opcode @ (0x01 | 0x02)) => Self::scan(input, opcode, limit, max_fragments),
            _ => None,
        }
    }

    fn scan(input: &[u8], mut opcode: u8, limit: u16, max_fragments: usize) -> Option<Self> {
        let is_text = opcode == 0x01;
        let mut rest = input;
        for count in 1..max_fragments.min(MAX_FRAGMENTS) + 1 {
            let (&[first, second], after) = rest.split_first_chunk()?;
            // With a mask and without reserved bits, and of at most 125 bytes.
            let payload = usize::from(second ^ 0x80);
            if first & 0x7f != opcode || payload > 125 {
                return None;
            }
            opcode = 0x00;
            rest = after.get(HEADER - 2 + payload..)?;
            if first & 0x80 != 0 {
                // The frames of the longest message take 64 times 131 bytes.
                let size = (input.len() - rest.len()) as u16;
                let len = size - (HEADER * count) as u16;
                return (len <= limit).then_some(Self { size, len, count: count as u8, is_text });
            }
        }
        None
    }

    /// Returns the size of the frames in bytes.
    #[inline]
    pub(crate) fn size(self) -> usize {
        self.size.into()
    }

    /// Returns the number of frames.
    #[inline]
    pub(crate) fn count(self) -> u8 {
        self.count
    }

    /// Returns whether the input begins with the first of several frames, and it is short, complete
    /// and no longer than the limit.
    #[inline]
    pub(crate) fn has_first(input: &[u8], limit: u16) -> bool {
        match input.first_chunk() {
            Some(&[0x01 | 0x02, second @ 0x80..=0xfd]) => {
                let payload = usize::from(second & 0x7f);
                input.len() >= HEADER + payload && payload <= usize::from(limit)
            }
            _ => false,
        }
    }

    /// Returns whether the message is a text short enough to be copied.
    #[inline]
    pub(crate) fn is_short_text(self) -> bool {
        self.is_text && usize::from(self.len) <= MAX_INLINE
    }

    /// Consumes the message from the input.
    pub(crate) fn take(self, input: &mut BytesMut) -> Result<Message, InvalidUtf8> {
        if self.is_short_text() {
            let text = self.short_text(input);
            input.advance(self.size());
            return text.map(Message::Text);
        }
        let mut message = input.split_to(self.size());
        self.join(&mut message);
        message.truncate(self.len.into());
        let message = message.freeze();
        if self.is_text { Ok(Message::Text(message.try_into()?)) } else { Ok(Message::Binary(message)) }
    }

    /// Joins the payloads in place (call once), or in `scratch` for short texts.
    pub(crate) fn borrow<'a>(
        self,
        input: &'a mut [u8],
        scratch: &'a mut InlineText,
    ) -> Result<MessageRef<'a>, InvalidUtf8> {
        if self.is_short_text() {
            let is_ascii = self.join_short(input, scratch);
            return scratch.validate(self.len.into(), is_ascii).map(MessageRef::Text).ok_or(InvalidUtf8);
        }
        let message = self.join(input);
        if self.is_text {
            from_utf8(message).map(MessageRef::Text).map_err(|_| InvalidUtf8)
        } else {
            Ok(MessageRef::Binary(message))
        }
    }

    /// Copies a short text, so that it does not keep the read buffer alive.
    #[inline]
    pub(crate) fn short_text(self, input: &[u8]) -> Result<Utf8Bytes, InvalidUtf8> {
        Utf8Bytes::fill(self.len.into(), |text| self.join_short(input, text))
    }

    /// Unmasks the payloads and moves them together at the start of the frames, so that nothing is
    /// allocated. Returns the message.
    fn join(self, frames: &mut [u8]) -> &[u8] {
        let (mut at, mut len) = (0, 0);
        for _ in 0..self.count {
            let Some((mask, payload)) = header(&frames[at..]) else {
                break;
            };
            let start = at + HEADER;
            frames.copy_within(start..start + payload, len);
            apply_mask(&mut frames[len..len + payload], mask, 0);
            (at, len) = (start + payload, len + payload);
        }
        &frames[..len]
    }

    /// Unmasks the payloads of a short text into `text`, and returns whether they are ASCII.
    fn join_short(self, frames: &[u8], text: &mut InlineText) -> bool {
        let mut joined = InlineTextBuilder::default();
        let mut rest = frames;
        for _ in 0..self.count {
            let Some((mask, payload)) = header(rest) else {
                break;
            };
            match rest[HEADER..].first_chunk() {
                // Most fragments are one word, and not the end of the input.
                Some(word) if payload <= 8 => joined.push_masked_word(*word, payload, mask),
                _ => joined.push_masked(&rest[HEADER..HEADER + payload], mask),
            }
            rest = &rest[HEADER + payload..];
        }
        joined.finish(text)
    }
}

/// Returns the masking key and the length of the payload.
#[inline]
fn header(frame: &[u8]) -> Option<([u8; 4], usize)> {
    let (&[_, second], rest) = frame.split_first_chunk()?;
    Some((*rest.first_chunk()?, usize::from(second & 0x7f)))
}
