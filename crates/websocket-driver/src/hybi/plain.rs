use bytes::{Buf, BytesMut};
use simdutf8::basic::from_utf8;

use crate::mask::apply_mask;
use crate::message::{Message, MessageRef};
use crate::utf8::{INLINE, InvalidUtf8, Utf8Bytes};

/// A whole message from a client in one frame of at most 65,535 bytes, as most messages are: what its header says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plain {
    is_text: bool,
    header: u8,
    mask: [u8; 4],
    len: u32,
}

impl Plain {
    /// The one that the input begins with, if it does, and it is no longer than the limit. What else there may be, right or
    /// wrong, is left to who knows the whole protocol.
    #[inline]
    pub(crate) fn peek(input: &[u8], limit: usize) -> Option<Self> {
        let (first, len, header, mask) = match *input {
            [first, second @ 0x80..=0xfd, a, b, c, d, ..] => (first, usize::from(second & 0x7f), 6, [a, b, c, d]),
            [first, 0xfe, high, low, a, b, c, d, ..] => {
                let len = u16::from_be_bytes([high, low]);
                // RFC 6455 §5.2: the shortest way to write a length is the only one.
                if len < 126 {
                    return None;
                }
                (first, usize::from(len), 8, [a, b, c, d])
            }
            _ => return None,
        };
        // FIN, no reserved bit, text or binary.
        if !matches!(first, 0x81 | 0x82) || len > limit || input.len() < header + len {
            return None;
        }
        Some(Self { is_text: first == 0x81, header: header as u8, mask, len: len as u32 })
    }

    /// How many bytes of the input it is.
    #[inline]
    pub(crate) fn size(self) -> usize {
        usize::from(self.header) + self.len as usize
    }

    /// Unmasks it where it lies, which is to be done once.
    #[inline]
    pub(crate) fn view(self, input: &mut [u8]) -> Result<MessageRef<'_>, InvalidUtf8> {
        let payload = &mut input[usize::from(self.header)..self.size()];
        apply_mask(payload, self.mask, 0);
        if self.is_text {
            from_utf8(payload).map(MessageRef::Text).map_err(|_| InvalidUtf8)
        } else {
            Ok(MessageRef::Binary(payload))
        }
    }

    /// Takes it off the input.
    #[inline(always)]
    pub(crate) fn take(self, input: &mut BytesMut) -> Result<Message, InvalidUtf8> {
        let (header, len) = (usize::from(self.header), self.len as usize);
        if !self.is_text || len > INLINE {
            return self.take_long(input);
        }
        // Copied out, so that it holds no part of the read buffer.
        let (text, is_utf8) = Utf8Bytes::inline(&input[header..], len, self.mask);
        input.advance(header + len);
        if is_utf8 { Ok(Message::Text(text)) } else { Err(InvalidUtf8) }
    }

    #[inline(never)]
    fn take_long(self, input: &mut BytesMut) -> Result<Message, InvalidUtf8> {
        input.advance(usize::from(self.header));
        let mut payload = input.split_to(self.len as usize);
        apply_mask(&mut payload, self.mask, 0);
        let payload = payload.freeze();
        Ok(if self.is_text { Message::Text(payload.try_into()?) } else { Message::Binary(payload) })
    }
}
