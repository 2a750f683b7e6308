//! The bare encoding of frames (RFC 6455 §5.2).

use bytes::BufMut;

/// The masking key of the examples in RFC 6455 §5.7.
pub const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The bit of a frame's first byte that marks the last fragment.
pub const FIN: u8 = 0x80;

/// The length of the chunks in which masked bytes are written, a multiple of the key's length.
const CHUNK: usize = 1024;

/// Writes a frame with its length in the shortest form, masked if there is a key.
pub fn put_frame(out: &mut impl BufMut, first: u8, key: Option<[u8; 4]>, payload: &[u8]) {
    out.put_u8(first);
    put_length(out, if key.is_some() { 0x80 } else { 0 }, payload.len() as u64);
    let Some(key) = key else {
        return out.put_slice(payload);
    };
    out.put_slice(&key);
    let mut masked = [0; CHUNK];
    for piece in payload.chunks(CHUNK) {
        let masked = &mut masked[..piece.len()];
        masked.copy_from_slice(piece);
        masked.chunks_mut(4).for_each(|four| four.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key));
        out.put_slice(masked);
    }
}

/// Writes the second byte of a header and the extended length in the shortest form.
pub(crate) fn put_length(out: &mut impl BufMut, mask_bit: u8, length: u64) {
    match length {
        0..=125 => out.put_u8(mask_bit | length as u8),
        126..=0xffff => {
            out.put_u8(mask_bit | 126);
            out.put_u16(length as u16);
        }
        _ => {
            out.put_u8(mask_bit | 127);
            out.put_u64(length);
        }
    }
}

/// Writes a text frame of the hixie drafts.
pub fn put_hixie_text(out: &mut impl BufMut, text: &[u8]) {
    out.put_u8(0x00);
    out.put_slice(text);
    out.put_u8(0xff);
}

/// The header of a frame, valid or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// FIN, the reserved bits and the opcode.
    pub first: u8,
    /// The masking key of a client's frame.
    pub key: Option<[u8; 4]>,
    /// The length of the payload.
    pub length: u64,
    /// The length of the header itself, with the key.
    pub size: usize,
}

impl Header {
    /// Returns whether the length is in its shortest form, as required (RFC 6455 §5.2).
    pub fn is_minimal(&self) -> bool {
        let extended = self.size - 2 - if self.key.is_some() { 4 } else { 0 };
        match extended {
            0 => true,
            2 => self.length > 125,
            _ => self.length > 0xffff,
        }
    }
}

/// Reads a header, or returns `None` while it is incomplete. The header is not validated.
pub fn read_header(bytes: &[u8]) -> Option<Header> {
    let [first, second, rest @ ..] = bytes else { return None };
    let (length, rest) = match second & 0x7f {
        126 => rest.split_first_chunk().map(|(length, rest)| (u64::from(u16::from_be_bytes(*length)), rest))?,
        127 => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length), rest))?,
        length => (u64::from(length), rest),
    };
    let key = if second & 0x80 == 0 { None } else { Some(*rest.first_chunk()?) };
    let size = bytes.len() - rest.len() + if key.is_some() { 4 } else { 0 };
    Some(Header { first: *first, key, length, size })
}

/// Reads the first frame, or returns `None` while it is incomplete: its header, its payload in
/// masked form, and the rest.
pub fn read_frame(bytes: &[u8]) -> Option<(Header, &[u8], &[u8])> {
    let header = read_header(bytes)?;
    let (payload, rest) = bytes[header.size..].split_at_checked(usize::try_from(header.length).ok()?)?;
    Some((header, payload, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opcode;

    #[test]
    fn masked_frame_is_that_of_the_rfc() {
        // RFC 6455 §5.7.
        let mut bytes = Vec::new();
        put_frame(&mut bytes, FIN | opcode::TEXT, Some(MASK), b"Hello");
        assert_eq!(bytes, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    #[test]
    fn frames_of_all_lengths_are_read_as_written() {
        for length in [0, 1, 125, 126, 1023, 1025, 0xffff, 0x1_0000] {
            let payload: Vec<u8> = (0..length).map(|i: usize| i as u8).collect();
            for key in [None, Some(MASK)] {
                let mut bytes = Vec::new();
                put_frame(&mut bytes, FIN | opcode::BINARY, key, &payload);
                let header = read_header(&bytes).expect("a header");
                assert_eq!((header.first, header.key, header.length), (0x82, key, length as u64));
                assert!(header.is_minimal());
                assert_eq!(read_header(&bytes[..header.size - 1]), None);
                assert_eq!(read_frame(&bytes[..bytes.len() - 1]), None);
                bytes.push(9);
                let (_, masked, rest) = read_frame(&bytes).expect("a frame");
                assert_eq!(rest, [9]);
                let cycle = key.unwrap_or_default().into_iter().cycle();
                let unmasked = masked.iter().zip(cycle).map(|(byte, key)| byte ^ key);
                assert!(unmasked.eq(payload.iter().copied()), "{length}");
            }
        }
    }

    #[test]
    fn length_in_more_bytes_than_needed_is_not_minimal() {
        for bytes in [&[0x82, 126, 0, 125][..], &[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]] {
            assert!(!read_header(bytes).expect("a header").is_minimal());
        }
    }
}
