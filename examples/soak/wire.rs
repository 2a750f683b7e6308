//! Messages and control frames of a server, decoded without the library, so that it is not checked
//! by itself.

use bytes::{Buf, Bytes, BytesMut};
use tower_websocket::Version;
use websocket_wire::opcode::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT};
use websocket_wire::read_header;

/// A message or control frame of the server.
#[derive(Debug)]
pub(super) enum Incoming {
    Message { is_text: bool, data: Bytes },
    Ping(Bytes),
    Pong(Bytes),
    Close(Option<u16>),
}

/// Decodes the frames of a server without extensions.
#[derive(Debug)]
pub(super) struct Parser {
    version: Version,
    fragments: Option<(bool, BytesMut)>,
}

impl Parser {
    pub(super) fn new(version: Version) -> Self {
        Self { version, fragments: None }
    }

    /// Returns the next complete message or control frame.
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

/// Consumes a frame and returns it with its first byte, if it is complete.
fn take_frame(input: &mut BytesMut) -> Result<Option<(u8, BytesMut)>, String> {
    let Some(header) = read_header(input) else { return Ok(None) };
    if header.key.is_some() {
        return Err("a masked frame from the server".into());
    }
    let length = usize::try_from(header.length).map_err(|_| "a frame longer than memory")?;
    if input.len() - header.size < length {
        input.reserve(header.size + length - input.len());
        return Ok(None);
    }
    input.advance(header.size);
    Ok(Some((header.first, input.split_to(length))))
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
