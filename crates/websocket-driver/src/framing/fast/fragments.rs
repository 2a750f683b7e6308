use bytes::{Buf, BytesMut};

use crate::framing::mask::apply_mask;
use crate::message::Message;
use crate::message::inline_text::{InlineTextBuilder, MAX_INLINE};
use crate::message::utf8::{InvalidUtf8, Utf8Bytes};

/// The header length of a short frame: two bytes and the masking key.
const HEADER: usize = 6;

/// The maximum number of frames that are scanned. Longer messages are assembled as they arrive.
const MAX_FRAGMENTS: usize = 64;

/// A complete message from a client in several frames of at most 125 bytes, without control frames
/// in between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fragments {
    /// The size of the frames in bytes.
    size: usize,
    /// The length of the message in bytes.
    len: usize,
    count: u32,
    is_text: bool,
}

impl Fragments {
    /// Parses the message at the start of the input, if it is complete, no longer than `limit` and
    /// within `max_fragments`. Anything else, valid or not, is left to the general path.
    pub(crate) fn peek(input: &[u8], limit: u16, max_fragments: usize) -> Option<Self> {
        let is_text = match input.first()? {
            0x01 => true,
            0x02 => false,
            _ => return None,
        };
        let (mut size, mut len, mut count) = (0, 0, 0);
        let max_fragments = max_fragments.min(MAX_FRAGMENTS);
        loop {
            let &[first, second] = input.get(size..)?.first_chunk()?;
            // After the first frame, only continuations without reserved bits.
            let is_next = count == 0 || first & 0x7f == 0;
            if !is_next || !matches!(second, 0x80..=0xfd) || count == max_fragments {
                return None;
            }
            let payload = usize::from(second & 0x7f);
            (size, len, count) = (size + HEADER + payload, len + payload, count + 1);
            if size > input.len() || len > usize::from(limit) {
                return None;
            }
            if first & 0x80 != 0 {
                return Some(Self { size, len, count: count as u32, is_text });
            }
        }
    }

    /// Returns the number of frames.
    #[inline]
    pub(crate) fn count(self) -> u32 {
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

    /// Consumes the message from the input.
    pub(crate) fn take(self, input: &mut BytesMut) -> Result<Message, InvalidUtf8> {
        if self.is_text && self.len <= MAX_INLINE {
            let text = self.short_text(input);
            input.advance(self.size);
            return text.map(Message::Text);
        }
        // The payloads are moved together within the buffer that they were received in, so nothing
        // is allocated.
        let mut message = input.split_to(self.size);
        let (mut at, mut len) = (0, 0);
        while let Some((mask, payload)) = header(&message[at..]) {
            let start = at + HEADER;
            message.copy_within(start..start + payload, len);
            apply_mask(&mut message[len..len + payload], mask, 0);
            (at, len) = (start + payload, len + payload);
        }
        message.truncate(self.len);
        let message = message.freeze();
        if self.is_text { Ok(Message::Text(message.try_into()?)) } else { Ok(Message::Binary(message)) }
    }

    /// Copies a short text, so that it does not keep the read buffer alive.
    fn short_text(self, input: &[u8]) -> Result<Utf8Bytes, InvalidUtf8> {
        let mut text = InlineTextBuilder::default();
        let mut rest = input;
        for _ in 0..self.count {
            let Some((mask, payload)) = header(rest) else {
                break;
            };
            text.push_masked(&rest[HEADER..], payload, mask);
            rest = &rest[HEADER + payload..];
        }
        Utf8Bytes::short(text)
    }
}

/// Returns the masking key and the length of the payload.
#[inline]
fn header(frame: &[u8]) -> Option<([u8; 4], usize)> {
    let &[_, second, a, b, c, d] = frame.first_chunk()?;
    Some(([a, b, c, d], usize::from(second & 0x7f)))
}
