use bytes::BytesMut;
use simdutf8::basic::from_utf8;

use crate::framing::mask::apply_mask;
use crate::message::utf8::InvalidUtf8;
use crate::message::{Message, MessageRef};

/// The header length of a short frame: two bytes and the masking key.
pub(super) const HEADER: usize = 6;

/// The maximum number of frames that are scanned. Longer messages are assembled as they arrive.
pub(super) const MAX_FRAGMENTS: usize = 64;

/// A complete message from a client in several frames of at most 125 bytes, without control frames
/// in between. Short texts are a [`FragmentedText`](super::fragmented_text::FragmentedText).
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

    /// Consumes the message from the input.
    pub(crate) fn take(self, input: &mut BytesMut) -> Result<Message, InvalidUtf8> {
        let mut message = input.split_to(self.size());
        self.join(&mut message);
        message.truncate(self.len.into());
        let message = message.freeze();
        if self.is_text { Ok(Message::Text(message.try_into()?)) } else { Ok(Message::Binary(message)) }
    }

    /// Joins the payloads in place. Call once.
    pub(crate) fn borrow(self, input: &mut [u8]) -> Result<MessageRef<'_>, InvalidUtf8> {
        let message = self.join(input);
        if self.is_text {
            from_utf8(message).map(MessageRef::Text).map_err(|_| InvalidUtf8)
        } else {
            Ok(MessageRef::Binary(message))
        }
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
}

/// Returns the masking key and the length of the payload.
#[inline]
fn header(frame: &[u8]) -> Option<([u8; 4], usize)> {
    let (&[_, second], rest) = frame.split_first_chunk()?;
    Some((*rest.first_chunk()?, usize::from(second & 0x7f)))
}
