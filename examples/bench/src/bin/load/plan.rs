//! A batch that a connection sends in one write, and the expected reply.

use websocket_wire::opcode::{BINARY, TEXT};
use websocket_wire::{FIN, put_frame, read_frame};

use crate::payload::Random;
use crate::{Options, deflate};

pub(crate) struct Plan {
    /// The encoded and masked messages.
    pub(crate) batch: Vec<u8>,
    /// The number of messages.
    pub(crate) messages: usize,
    reply: Reply,
}

enum Reply {
    /// The exact bytes: each message in one frame, or the very bytes that were sent.
    Bytes(Vec<u8>),
    /// Messages whose bytes depend on the compressor.
    Compressed(Vec<Compressed>),
}

struct Compressed {
    message: Vec<u8>,
    /// The compressed form of the last reply, so that it is decompressed only when it changes.
    seen: Vec<u8>,
}

/// The bit of compressed messages (RFC 7692 §6).
const RSV1: u8 = 0x40;

/// The first byte of messages in scenarios with compression.
const COMPRESSED: u8 = FIN | RSV1 | TEXT;
const UNCOMPRESSED: u8 = FIN | TEXT;

/// The progress of a connection within the reply to a plan.
#[derive(Default)]
pub(crate) struct Progress {
    /// The number of bytes, or of messages if they are compressed.
    at: usize,
    /// An incomplete frame, if messages are compressed.
    partial: Vec<u8>,
}

impl Plan {
    /// Creates the plan with this number. All plans have different messages.
    pub(crate) fn new(options: &Options, number: usize) -> Result<Self, String> {
        let opcode = if options.content.is_text() { TEXT } else { BINARY };
        let (mut batch, mut plain, mut compressed) = (Vec::new(), Vec::new(), Vec::new());
        let mut keys = Random::new(number as u64);
        for at in 0..options.in_flight {
            let message = options.content.message(options.size, (number * options.in_flight + at) as u64);
            let (payload, rsv) =
                if options.deflate { (deflate::compress(&message)?, RSV1) } else { (message.clone(), 0) };
            let pieces: Vec<&[u8]> = payload.chunks(payload.len().div_ceil(options.fragments).max(1)).collect();
            let last = pieces.len().saturating_sub(1);
            for (at, piece) in pieces.into_iter().enumerate() {
                let first = if at == 0 { rsv | opcode } else { 0 };
                let fin = if at == last { FIN } else { 0 };
                put_frame(&mut batch, fin | first, Some((keys.next() as u32).to_le_bytes()), piece);
            }
            put_frame(&mut plain, FIN | opcode, None, &message);
            compressed.push(Compressed { message, seen: Vec::new() });
        }
        let reply = match (options.raw, options.deflate) {
            (true, _) => Reply::Bytes(batch.clone()),
            (false, false) => Reply::Bytes(plain),
            (false, true) => Reply::Compressed(compressed),
        };
        Ok(Self { batch, messages: options.in_flight, reply })
    }

    /// Compares received bytes with the expected ones. Returns whether the reply is complete.
    pub(crate) fn check(&mut self, progress: &mut Progress, bytes: &[u8]) -> Result<bool, String> {
        let done = match &mut self.reply {
            Reply::Bytes(reply) => {
                let rest = &reply[progress.at..];
                if !rest.starts_with(bytes) {
                    let at = progress.at + rest.iter().zip(bytes).take_while(|(a, b)| a == b).count();
                    return Err(format!("reply differs from byte {at} of {}", reply.len()));
                }
                progress.at += bytes.len();
                progress.at == reply.len()
            }
            Reply::Compressed(messages) => {
                progress.partial.extend(bytes);
                let mut rest = &progress.partial[..];
                while let Some((header, payload, behind)) = read_frame(rest) {
                    let message = messages.get_mut(progress.at).ok_or("more messages than were sent")?;
                    message.check(header.first, payload)?;
                    progress.at += 1;
                    rest = behind;
                }
                let left = rest.len();
                progress.partial.drain(..progress.partial.len() - left);
                progress.at == messages.len() && left == 0
            }
        };
        if done {
            progress.at = 0;
        }
        Ok(done)
    }
}

impl Compressed {
    fn check(&mut self, first: u8, payload: &[u8]) -> Result<(), String> {
        match first {
            // Servers may send uncompressed messages.
            UNCOMPRESSED if payload == self.message => Ok(()),
            COMPRESSED if payload == self.seen => Ok(()),
            COMPRESSED if deflate::inflate(payload, self.message.len())? == self.message => {
                self.seen = payload.to_vec();
                Ok(())
            }
            _ => Err(format!("wrong compressed reply with first byte {first:#04x}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn plan(options: &str) -> Plan {
        let command = ["load", "echo", "--addr", "127.0.0.1:1", "--pid", "1"].into_iter().chain(options.split(' '));
        Plan::new(&Options::parse_from(command), 0).expect("a plan")
    }

    /// Returns the reply of a correct server.
    fn reply(plan: &Plan) -> Vec<u8> {
        match &plan.reply {
            Reply::Bytes(bytes) => bytes.clone(),
            Reply::Compressed(messages) => {
                let mut bytes = Vec::new();
                for message in messages {
                    let payload = deflate::compress(&message.message).expect("it compresses");
                    put_frame(&mut bytes, COMPRESSED, None, &payload);
                }
                bytes
            }
        }
    }

    const ALL: [&str; 3] =
        ["--size 300 --in-flight 3", "--size 300 --raw", "--size 300 --in-flight 3 --content json --deflate"];

    #[test]
    fn a_right_reply_is_taken_in_any_pieces() {
        for options in ALL {
            let mut plan = plan(options);
            let reply = reply(&plan);
            for size in [1, 7, 301, reply.len()] {
                let mut progress = Progress::default();
                for _ in 0..2 {
                    let pieces: Vec<_> = reply.chunks(size).map(|piece| plan.check(&mut progress, piece)).collect();
                    let (last, others) = pieces.split_last().expect("a piece");
                    assert_eq!(last, &Ok(true), "{options}, by {size}");
                    assert!(others.iter().all(|piece| piece == &Ok(false)), "{options}, by {size}");
                }
            }
        }
    }

    #[test]
    fn a_wrong_byte_anywhere_is_seen() {
        for options in ALL {
            let reply = reply(&plan(options));
            let passes = |at: &usize| {
                let mut wrong = reply.clone();
                wrong[*at] ^= 0x10;
                // A wrong length may announce a longer frame, which is never completed.
                plan(options).check(&mut Progress::default(), &wrong) == Ok(true)
            };
            // The last bits of compressed data are padding.
            let most = if options.contains("deflate") { 3 } else { 0 };
            let passing = (0..reply.len()).filter(passes).count();
            assert!(passing <= most, "{options}: {passing} wrong bytes of {} were not seen", reply.len());
        }
    }

    #[test]
    fn a_message_too_many_is_seen() {
        for options in ALL {
            let mut plan = plan(options);
            let reply = reply(&plan);
            assert!(plan.check(&mut Progress::default(), &reply.repeat(2)).is_err(), "{options}");
        }
    }
}
