//! Frames written and read by hand, so that nothing of the library judges itself.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tower_websocket::Version;

pub(super) const CONTINUATION: u8 = 0x0;
pub(super) const TEXT: u8 = 0x1;
pub(super) const BINARY: u8 = 0x2;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xa;

/// What a server has sent.
#[derive(Debug)]
pub(super) enum Incoming {
    Message { is_text: bool, data: Bytes },
    Ping(Bytes),
    Pong(Bytes),
    Close(Option<u16>),
}

/// Writes a frame as clients do, masked; with `FIN` or without.
pub(super) fn put_frame(out: &mut BytesMut, fin: bool, opcode: u8, payload: &[u8], key: [u8; 4]) {
    out.put_u8(if fin { 0x80 | opcode } else { opcode });
    match payload.len() {
        len @ 0..126 => out.put_u8(0x80 | len as u8),
        len @ 126..0x1_0000 => {
            out.put_u8(0x80 | 126);
            out.put_u16(len as u16);
        }
        len => {
            out.put_u8(0x80 | 127);
            out.put_u64(len as u64);
        }
    }
    out.put_slice(&key);
    let begin = out.len();
    out.put_slice(payload);
    for chunk in out[begin..].chunks_mut(4) {
        chunk.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
    }
}

/// Both hixie drafts have text between 00 and FF.
pub(super) fn put_hixie(out: &mut BytesMut, text: &[u8]) {
    out.put_u8(0x00);
    out.put_slice(text);
    out.put_u8(0xff);
}

/// Reads frames of a server that agreed to no extension.
#[derive(Debug)]
pub(super) struct Parser {
    version: Version,
    fragments: Option<(bool, BytesMut)>,
}

impl Parser {
    pub(super) fn new(version: Version) -> Self {
        Self { version, fragments: None }
    }

    /// The next of what has come whole.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Incoming>, String> {
        if self.version.is_hixie() { next_hixie(input) } else { self.next_hybi(input) }
    }

    fn next_hybi(&mut self, input: &mut BytesMut) -> Result<Option<Incoming>, String> {
        while let Some((first, mut data)) = take_frame(input)? {
            let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
            if first & 0x70 != 0 {
                return Err(format!("reserved bits: {first:02x}"));
            }
            match (opcode, fin, self.fragments.take()) {
                (TEXT | BINARY, true, None) => {
                    return Ok(Some(Incoming::Message { is_text: opcode == TEXT, data: data.freeze() }));
                }
                (TEXT | BINARY, false, None) => self.fragments = Some((opcode == TEXT, data)),
                (CONTINUATION, _, Some((is_text, mut begun))) => {
                    begun.unsplit(data);
                    if fin {
                        return Ok(Some(Incoming::Message { is_text, data: begun.freeze() }));
                    }
                    self.fragments = Some((is_text, begun));
                }
                (CLOSE | PING | PONG, true, fragments) => {
                    self.fragments = fragments;
                    return Ok(Some(match opcode {
                        PING => Incoming::Ping(data.freeze()),
                        PONG => Incoming::Pong(data.freeze()),
                        _ => Incoming::Close((data.len() >= 2).then(|| data.get_u16())),
                    }));
                }
                _ => return Err(format!("a frame out of place: {first:02x}")),
            }
        }
        Ok(None)
    }
}

/// A frame with its first byte, if it is there.
fn take_frame(input: &mut BytesMut) -> Result<Option<(u8, BytesMut)>, String> {
    let [first, second, rest @ ..] = &input[..] else { return Ok(None) };
    let (first, second) = (*first, *second);
    let (header, len) = match (second, rest) {
        (0..126, _) => (2, usize::from(second)),
        (126, [a, b, ..]) => (4, usize::from(u16::from_be_bytes([*a, *b]))),
        (127, [a, b, c, d, e, f, g, h, ..]) => (10, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) as usize),
        (126 | 127, _) => return Ok(None),
        _ => return Err("a masked frame from the server".into()),
    };
    if input.len() < header + len {
        input.reserve(header + len - input.len());
        return Ok(None);
    }
    input.advance(header);
    Ok(Some((first, input.split_to(len))))
}

fn next_hixie(input: &mut BytesMut) -> Result<Option<Incoming>, String> {
    match &input[..] {
        [] | [0xff] => Ok(None),
        [0xff, 0x00, ..] => {
            input.advance(2);
            Ok(Some(Incoming::Close(None)))
        }
        [0x00, ..] => Ok(input.iter().position(|byte| *byte == 0xff).map(|end| {
            let data = input.split_to(end + 1).freeze().slice(1..end);
            Incoming::Message { is_text: true, data }
        })),
        [other, ..] => Err(format!("a frame of type {other:02x}")),
    }
}
