//! Large messages, each returned in any number of frames, whose bytes are not stored.

use websocket_wire::{FIN, read_header};

/// The messages that make up a reply.
pub(crate) struct Pieces {
    opcode: u8,
    messages: Vec<Vec<u8>>,
}

/// The progress of a connection within the reply.
#[derive(Default)]
pub(crate) struct PieceProgress {
    /// The number of complete messages.
    messages: usize,
    /// The number of bytes of the next message.
    at: usize,
    /// An incomplete header.
    head: Vec<u8>,
    /// A frame of the message is complete or has begun.
    has_begun: bool,
    /// The frame that has begun.
    frame: Option<Frame>,
}

#[derive(Clone, Copy)]
struct Frame {
    left: usize,
    is_final: bool,
}

impl Pieces {
    pub(crate) fn new(opcode: u8, messages: impl Iterator<Item = Vec<u8>>) -> Self {
        Self { opcode, messages: messages.collect() }
    }

    /// Compares received bytes with the expected ones. Returns whether the reply is complete.
    pub(crate) fn check(&self, progress: &mut PieceProgress, mut bytes: &[u8]) -> Result<bool, String> {
        loop {
            let message = self.messages.get(progress.messages).ok_or("more messages than were sent")?;
            let Some(frame) = &mut progress.frame else {
                let Some((&next, rest)) = bytes.split_first() else { return Ok(false) };
                bytes = rest;
                progress.head.push(next);
                let Some(header) = read_header(&progress.head) else { continue };
                progress.head.clear();
                let opcode = if progress.has_begun { 0 } else { self.opcode };
                if header.first & !FIN != opcode || header.key.is_some() {
                    return Err(format!("wrong frame with first byte {:#04x}", header.first));
                }
                let left = usize::try_from(header.length).map_err(|error| error.to_string())?;
                progress.has_begun = true;
                progress.frame = Some(Frame { left, is_final: header.first & FIN != 0 });
                continue;
            };
            let (piece, rest) = bytes.split_at(frame.left.min(bytes.len()));
            if !message[progress.at..].starts_with(piece) {
                return Err(format!("reply differs after byte {} of {}", progress.at, message.len()));
            }
            bytes = rest;
            progress.at += piece.len();
            frame.left -= piece.len();
            if frame.left > 0 {
                return Ok(false);
            }
            let is_final = frame.is_final;
            progress.frame = None;
            if !is_final {
                continue;
            }
            if progress.at < message.len() {
                return Err(format!("reply ends after byte {} of {}", progress.at, message.len()));
            }
            *progress = PieceProgress { messages: progress.messages + 1, ..PieceProgress::default() };
            if progress.messages == self.messages.len() && bytes.is_empty() {
                *progress = PieceProgress::default();
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use websocket_wire::opcode::{BINARY, CONTINUATION};
    use websocket_wire::put_frame;

    use super::*;

    fn pieces() -> Pieces {
        Pieces::new(BINARY, [300_u32, 70_000].into_iter().map(|size| (0..size).map(|at| at as u8).collect()))
    }

    /// Returns the reply of a server that sends frames of this size.
    fn reply(pieces: &Pieces, size: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for message in &pieces.messages {
            let count = message.len().div_ceil(size);
            for (at, piece) in message.chunks(size).enumerate() {
                let opcode = if at == 0 { BINARY } else { CONTINUATION };
                put_frame(&mut bytes, if at + 1 == count { FIN | opcode } else { opcode }, None, piece);
            }
        }
        bytes
    }

    #[test]
    fn reply_in_any_frames_is_accepted() {
        let pieces = pieces();
        for size in [7, 1000, 100_000] {
            let reply = reply(&pieces, size);
            for read in [1, 13, 4096, reply.len()] {
                let mut progress = PieceProgress::default();
                for _ in 0..2 {
                    let checked: Vec<_> = reply.chunks(read).map(|read| pieces.check(&mut progress, read)).collect();
                    let (last, others) = checked.split_last().expect("a read");
                    assert_eq!(last, &Ok(true), "frames of {size}, reads of {read}");
                    assert!(others.iter().all(|done| done == &Ok(false)), "frames of {size}, reads of {read}");
                }
            }
        }
    }

    #[test]
    fn wrong_byte_anywhere_is_detected() {
        let pieces = Pieces::new(BINARY, [vec![1; 40], vec![2; 20]].into_iter());
        let reply = reply(&pieces, 30);
        for at in 0..reply.len() {
            let mut wrong = reply.clone();
            wrong[at] ^= 0x10;
            // A wrong length may announce a longer frame, which is never completed.
            assert_ne!(pieces.check(&mut PieceProgress::default(), &wrong), Ok(true), "byte {at}");
        }
    }

    #[test]
    fn truncated_and_additional_messages_are_detected() {
        let pieces = pieces();
        let check = |bytes: &[u8]| pieces.check(&mut PieceProgress::default(), bytes);
        let mut truncated = Vec::new();
        put_frame(&mut truncated, FIN | BINARY, None, &pieces.messages[0][..299]);
        assert!(check(&truncated).is_err());
        assert!(check(&reply(&pieces, 1000).repeat(2)).is_err());
    }
}
