//! Frames, written by hand: a driver never sends fragments, and a server's frames are not masked.

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;

/// A whole message in one frame of a client.
pub(crate) fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(0x80 | opcode, payload, Some(MASK))
}

/// The same of a server.
pub(crate) fn unmasked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(0x80 | opcode, payload, None)
}

/// A message of a client in so many frames.
pub(crate) fn fragments(opcode: u8, payload: &[u8], count: usize) -> Vec<u8> {
    let pieces: Vec<&[u8]> = payload.chunks(payload.len().div_ceil(count)).collect();
    let mut bytes = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let opcode = if at == 0 { opcode } else { 0 };
        let fin = if at + 1 == pieces.len() { 0x80 } else { 0 };
        bytes.extend(frame(fin | opcode, piece, Some(MASK)));
    }
    bytes
}

fn frame(first: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mask_bit = if mask.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(mask_bit | length as u8),
        length @ 126..=0xffff => {
            bytes.push(mask_bit | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(mask_bit | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(mask.iter().flatten());
    let key = mask.unwrap_or_default();
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// Text of so many bytes, of which about a third are in characters of two to four bytes.
pub(crate) fn mixed(length: usize) -> String {
    let mut text = "the quick brown fox, größe, naïve café, привет, 日本語, 数据 🚀 ".repeat(length / 64 + 1);
    let mut end = length.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push_str(&".".repeat(length - end));
    text
}

/// As many repetitions of a frame as make a read of some 64 KiB, and how many those are.
pub(crate) fn many(frame: &[u8]) -> (Vec<u8>, usize) {
    let count = (64 * 1024 / frame.len()).max(1);
    (frame.repeat(count), count)
}
