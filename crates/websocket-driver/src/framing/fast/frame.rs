use bytes::{Buf, BytesMut};
use simdutf8::basic::from_utf8;

use crate::framing::mask::apply_mask;
use crate::message::inline_text::{InlineText, MAX_INLINE};
use crate::message::utf8::{InvalidUtf8, Utf8Bytes};
use crate::message::{Message, MessageRef};

/// The header of a complete message from a client in one frame of at most 65,535 bytes, as most
/// messages are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FastFrame {
    mask: [u8; 4],
    len: u16,
    header: u8,
    is_text: bool,
}

impl FastFrame {
    /// The maximum payload length in bytes.
    pub(crate) const MAX: u16 = u16::MAX;

    /// Parses the frame at the start of the input, if it is complete and no longer than `limit`.
    /// Anything else, valid or not, is left to the general path.
    #[inline]
    pub(crate) fn peek(input: &[u8], limit: u16) -> Option<Self> {
        let (&[first, second], rest) = input.split_first_chunk()?;
        let (len, header, mask) = match second {
            0x80..=0xfd => (u16::from(second & 0x7f), 6, rest.first_chunk()?),
            0xfe => {
                let (high_low, rest) = rest.split_first_chunk()?;
                let len = u16::from_be_bytes(*high_low);
                // The length must be minimally encoded (RFC 6455 §5.2).
                if len < 126 {
                    return None;
                }
                (len, 8, rest.first_chunk()?)
            }
            _ => return None,
        };
        // FIN, no reserved bit, text or binary.
        if !matches!(first, 0x81 | 0x82) || len > limit || input.len() < usize::from(header) + usize::from(len) {
            return None;
        }
        Some(Self { mask: *mask, len, header, is_text: first == 0x81 })
    }

    /// Returns the size of the frame in bytes.
    #[inline]
    pub(crate) fn size(self) -> usize {
        usize::from(self.header) + usize::from(self.len)
    }

    /// Unmasks the payload in place (call once), or into `scratch` for short texts.
    // Baseline: borrowed-text-32.
    #[inline(always)]
    pub(crate) fn borrow<'a>(
        self,
        input: &'a mut [u8],
        scratch: &'a mut InlineText,
    ) -> Result<MessageRef<'a>, InvalidUtf8> {
        if !self.is_short_text() {
            return self.borrow_long(input);
        }
        let (header, len) = (usize::from(self.header), usize::from(self.len));
        let is_ascii = scratch.unmask(&input[header..], len, self.mask);
        scratch.validate(len, is_ascii).map(MessageRef::Text).ok_or(InvalidUtf8)
    }

    fn borrow_long(self, input: &mut [u8]) -> Result<MessageRef<'_>, InvalidUtf8> {
        let (header, len) = (usize::from(self.header), usize::from(self.len));
        let payload = &mut input[header..header + len];
        apply_mask(payload, self.mask, 0);
        if self.is_text {
            from_utf8(payload).map(MessageRef::Text).map_err(|_| InvalidUtf8)
        } else {
            Ok(MessageRef::Binary(payload))
        }
    }

    /// Returns whether the message is a text short enough to be copied.
    #[inline]
    pub(crate) fn is_short_text(self) -> bool {
        self.is_text && usize::from(self.len) <= MAX_INLINE
    }

    /// Copies a short text, so that it does not keep the read buffer alive.
    #[inline]
    pub(crate) fn short_text(self, input: &[u8]) -> Result<Utf8Bytes, InvalidUtf8> {
        Utf8Bytes::unmask(&input[usize::from(self.header)..], usize::from(self.len), self.mask)
    }

    /// Consumes the message from the input.
    #[inline]
    pub(crate) fn take(self, input: &mut BytesMut) -> Result<Message, InvalidUtf8> {
        if !self.is_short_text() {
            return self.take_bytes(input);
        }
        let text = self.short_text(input);
        input.advance(self.size());
        text.map(Message::Text)
    }

    // Baseline: header-decode.
    #[inline(always)]
    pub(crate) fn take_bytes(self, input: &mut BytesMut) -> Result<Message, InvalidUtf8> {
        input.advance(usize::from(self.header));
        let mut payload = input.split_to(usize::from(self.len));
        apply_mask(&mut payload, self.mask, 0);
        if self.is_text {
            return Ok(Message::Text(payload.freeze().try_into()?));
        }
        // Not merged with the other branch, so that the message is constructed in the caller's
        // return slot.
        Ok(Message::Binary(payload.freeze()))
    }
}
