//! The frames of the benchmarks, as a peer sends them.

use websocket_wire::{FIN, MASK, put_frame};

/// Returns a message of a client in one frame.
pub(crate) fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(FIN | opcode, Some(MASK), payload)
}

/// Returns a message of a server in one frame.
pub(crate) fn unmasked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(FIN | opcode, None, payload)
}

/// Returns a message of a client in `count` frames.
pub(crate) fn fragments(opcode: u8, payload: &[u8], count: usize) -> Vec<u8> {
    let pieces: Vec<&[u8]> = payload.chunks(payload.len().div_ceil(count)).collect();
    let mut bytes = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let opcode = if at == 0 { opcode } else { 0 };
        let fin = if at + 1 == pieces.len() { FIN } else { 0 };
        bytes.extend(frame(fin | opcode, Some(MASK), piece));
    }
    bytes
}

fn frame(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_frame(&mut bytes, first, key, payload);
    bytes
}

/// Returns text of a length in bytes, about a third of it in characters of two to four bytes.
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

/// Returns a frame repeated to fill a read of some 64 KiB, and the number of repetitions.
pub(crate) fn many(frame: &[u8]) -> (Vec<u8>, usize) {
    let count = (64 * 1024 / frame.len()).max(1);
    (frame.repeat(count), count)
}
