//! A batch that a connection sends in one write, and the expected reply.

use websocket_wire::opcode::{BINARY, TEXT};
use websocket_wire::{FIN, put_frame, read_frame};

use crate::deflate::{Compressor, Decompressor, WINDOW_SIZE};
use crate::payload::Random;
use crate::pieces::{PieceProgress, Pieces};
use crate::{Kind, Options, socketio};

pub(crate) struct Plan {
    sent: Sent,
    /// The number of messages.
    pub(crate) messages: usize,
    reply: Reply,
}

/// The encoded and masked messages.
struct Sent {
    /// Compressed independently, if at all.
    alone: Vec<u8>,
    in_context: Option<InContext>,
}

/// A batch with references to the batches of the other plans, for connections that have sent all of
/// them.
struct InContext {
    batch: Vec<u8>,
    /// The number of plans.
    after: usize,
}

/// The number of plans that the batches of a connection alternate between, so that a server cannot
/// reply with what it sent before.
const PLANS: usize = 3;

enum Reply {
    /// The very bytes that were sent.
    Sent,
    /// Each message in one frame.
    Bytes(Vec<u8>),
    /// Messages whose bytes depend on the compressor.
    Compressed(Vec<Compressed>),
    /// Large messages in any number of frames.
    Pieces(Pieces),
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
    /// The context of the replies, if they have one.
    context: Option<Decompressor>,
    pieces: PieceProgress,
}

impl Progress {
    pub(crate) fn new(options: &Options) -> Self {
        Self { context: (options.takeover && !options.raw).then(Decompressor::new), ..Self::default() }
    }

    fn compare(&mut self, reply: &[u8], bytes: &[u8]) -> Result<bool, String> {
        let rest = &reply[self.at..];
        if !rest.starts_with(bytes) {
            let same = rest.iter().zip(bytes).take_while(|(a, b)| a == b).count();
            let wrong = &bytes[same..bytes.len().min(same + 16)];
            let (at, size) = (self.at + same, reply.len());
            return Err(format!("reply differs from byte {at} of {size}, received \"{}\"", wrong.escape_ascii()));
        }
        self.at += bytes.len();
        Ok(self.at == reply.len())
    }
}

impl Sent {
    fn bytes(&self, number: usize) -> &[u8] {
        match &self.in_context {
            Some(InContext { batch, after }) if number > *after => batch,
            _ => &self.alone,
        }
    }
}

impl Plan {
    /// Creates the plans that connections alternate between.
    pub(crate) fn all(options: &Options) -> Result<Vec<Self>, String> {
        if !options.takeover {
            return (0..PLANS).map(|number| Self::new(options, number)).collect();
        }
        // As a message must not be in the context of its next repetition, all plans together are
        // longer than the window.
        let count = (2 * WINDOW_SIZE).div_ceil(options.size * options.in_flight).max(PLANS);
        let mut plans = (0..count).map(|number| Self::new(options, number)).collect::<Result<Vec<_>, _>>()?;
        let mut compressor = Compressor::new();
        for _ in 0..2 {
            for (number, plan) in plans.iter_mut().enumerate() {
                let batch = batch(options, number, |message| compressor.compress(message))?;
                plan.sent.in_context = Some(InContext { batch, after: count });
            }
        }
        Ok(plans)
    }

    /// Returns the bytes to send as the batch with this number on a connection, counted from 1.
    pub(crate) fn batch(&self, number: usize) -> &[u8] {
        self.sent.bytes(number)
    }

    /// Creates the plan with this number. All plans have different messages.
    fn new(options: &Options, number: usize) -> Result<Self, String> {
        let opcode = if options.content.is_text() { TEXT } else { BINARY };
        let alone = batch(options, number, |message| Compressor::new().compress(message))?;
        let messages = || messages(options, number);
        let reply = match (options.raw, options.deflate) {
            (true, _) => Reply::Sent,
            _ if options.kind == Kind::Large => Reply::Pieces(Pieces::new(opcode, messages())),
            (false, false) => {
                let mut plain = Vec::new();
                messages().for_each(|message| put_frame(&mut plain, FIN | opcode, None, &message));
                Reply::Bytes(plain)
            }
            (false, true) => {
                Reply::Compressed(messages().map(|message| Compressed { message, seen: Vec::new() }).collect())
            }
        };
        Ok(Self { sent: Sent { alone, in_context: None }, messages: options.in_flight, reply })
    }

    /// Compares received bytes with the reply to the batch with this number. Returns whether the
    /// reply is complete.
    pub(crate) fn check(&mut self, number: usize, progress: &mut Progress, bytes: &[u8]) -> Result<bool, String> {
        let done = match &mut self.reply {
            Reply::Sent => progress.compare(self.sent.bytes(number), bytes)?,
            Reply::Bytes(reply) => progress.compare(reply, bytes)?,
            Reply::Pieces(pieces) => pieces.check(&mut progress.pieces, bytes)?,
            Reply::Compressed(messages) => {
                progress.partial.extend(bytes);
                let mut rest = &progress.partial[..];
                while let Some((header, payload, behind)) = read_frame(rest) {
                    let message = messages.get_mut(progress.at).ok_or("more messages than were sent")?;
                    message.check(header.first, payload, &mut progress.context)?;
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

/// Returns the messages of a plan.
fn messages(options: &Options, number: usize) -> impl Iterator<Item = Vec<u8>> {
    (0..options.in_flight).map(move |at| {
        let message = options.content.message(options.size, (number * options.in_flight + at) as u64);
        if options.socketio { socketio::event(&message) } else { message }
    })
}

/// Encodes the messages of a plan.
fn batch(
    options: &Options,
    number: usize,
    mut compress: impl FnMut(&[u8]) -> Result<Vec<u8>, String>,
) -> Result<Vec<u8>, String> {
    let opcode = if options.content.is_text() { TEXT } else { BINARY };
    let mut keys = Random::new(number as u64);
    let mut batch = Vec::new();
    for message in messages(options, number) {
        let (payload, rsv) = if options.deflate { (compress(&message)?, RSV1) } else { (message, 0) };
        let pieces: Vec<&[u8]> = payload.chunks(payload.len().div_ceil(options.fragments).max(1)).collect();
        let last = pieces.len().saturating_sub(1);
        for (at, piece) in pieces.into_iter().enumerate() {
            let first = if at == 0 { rsv | opcode } else { 0 };
            let fin = if at == last { FIN } else { 0 };
            put_frame(&mut batch, fin | first, Some((keys.next() as u32).to_le_bytes()), piece);
        }
    }
    Ok(batch)
}

impl Compressed {
    fn check(&mut self, first: u8, payload: &[u8], context: &mut Option<Decompressor>) -> Result<(), String> {
        let is_right = match (first, context) {
            // Servers may send uncompressed messages.
            (UNCOMPRESSED, _) => payload == self.message,
            (COMPRESSED, Some(context)) => context.decompress(payload, self.message.len())? == self.message,
            (COMPRESSED, None) if payload == self.seen => true,
            (COMPRESSED, None) => {
                self.seen = payload.to_vec();
                Decompressor::new().decompress(payload, self.message.len())? == self.message
            }
            _ => false,
        };
        if is_right { Ok(()) } else { Err(format!("wrong compressed reply with first byte {first:#04x}")) }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn parse(options: &str) -> Options {
        let command = ["load", "echo", "--addr", "127.0.0.1:1", "--pid", "1"].into_iter().chain(options.split(' '));
        Options::parse_from(command)
    }

    fn plan(options: &str) -> Plan {
        Plan::new(&parse(options), 0).expect("a plan")
    }

    /// Returns the reply of a correct server.
    fn reply(plan: &Plan) -> Vec<u8> {
        match &plan.reply {
            Reply::Sent => plan.batch(1).to_vec(),
            Reply::Bytes(bytes) => bytes.clone(),
            Reply::Pieces(_) => unreachable!("tested in its module"),
            Reply::Compressed(messages) => {
                let mut bytes = Vec::new();
                for message in messages {
                    let payload = Compressor::new().compress(&message.message).expect("it compresses");
                    put_frame(&mut bytes, COMPRESSED, None, &payload);
                }
                bytes
            }
        }
    }

    const ALL: [&str; 4] = [
        "--size 300 --in-flight 3",
        "--size 300 --raw",
        "--size 300 --in-flight 3 --content json --deflate",
        "--size 300 --in-flight 3 --socketio",
    ];

    #[test]
    fn a_right_reply_is_taken_in_any_pieces() {
        for options in ALL {
            let mut plan = plan(options);
            let reply = reply(&plan);
            for size in [1, 7, 301, reply.len()] {
                let mut progress = Progress::default();
                for _ in 0..2 {
                    let pieces: Vec<_> = reply.chunks(size).map(|piece| plan.check(1, &mut progress, piece)).collect();
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
                plan(options).check(1, &mut Progress::default(), &wrong) == Ok(true)
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
            assert!(plan.check(1, &mut Progress::default(), &reply.repeat(2)).is_err(), "{options}");
        }
    }

    /// Inflates the batches of a connection that starts with any plan, as a server does.
    #[test]
    fn batches_in_context_can_be_inflated_in_order() {
        let options = parse("--size 1000 --in-flight 3 --content json --deflate --takeover");
        let plans = Plan::all(&options).expect("plans");
        let mut lengths = [0; 3];
        for start in [0, 1, plans.len() - 1] {
            let mut server = Decompressor::new();
            for turn in 0..3 * plans.len() {
                let number = (start + turn) % plans.len();
                let mut rest = plans[number].batch(turn + 1);
                lengths[turn / plans.len()] += rest.len();
                for message in messages(&options, number) {
                    let (header, payload, behind) = read_frame(rest).expect("a frame");
                    let mut payload = payload.to_vec();
                    let key = header.key.expect("a key");
                    payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
                    assert_eq!(server.decompress(&payload, message.len()), Ok(message), "{start}, {turn}");
                    rest = behind;
                }
            }
        }
        let [alone, in_context, again] = lengths;
        assert!(in_context == again && in_context < alone * 4 / 5, "{lengths:?}");
    }
}
