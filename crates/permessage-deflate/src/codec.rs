//! One message in, one message out, by zlib-rs: raw deflate, with the flush that RFC 7692 §7.2 wants.
//!
//! Its own interface, rather than flate2's, since it has the memory level, and stops at the end of a block, which tells a
//! message that is cut off from one that is not.

use std::cell::RefCell;
use std::fmt;

use bytes::{Bytes, BytesMut};
use websocket_driver_extensions::{BoundedBuffer, ExtensionFault};
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush, Status};

/// How much comes out of a codec at a time.
const STEP: usize = 32 * 1024;

/// The longest message whose memory is taken again for the next ones: a thread holds no more than about this.
const KEPT: usize = 256 * 1024;

/// How many final blocks a message may have before its last one. Compressors that end a message by a final block make one, and
/// a message put together from pieces that were compressed one by one has one for each. A block of two bytes needs a reset of
/// the codec, which takes longer than to inflate two bytes, so a message of nothing else would be expensive.
const MAX_FINAL_BLOCKS: usize = 16;

/// What a sync flush ends with, and a message does not (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// A compressed message of no bytes (RFC 7692 §7.2.3.6).
const EMPTY: [u8; 1] = [0x00];

struct Scratch {
    /// Codecs write into bytes that are there; these are zeroed once in a thread's life.
    step: Box<[u8]>,
    /// Where a compressed message gathers. Its memory is taken again once the message is written.
    out: BytesMut,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> =
        RefCell::new(Scratch { step: vec![0; STEP].into_boxed_slice(), out: BytesMut::new() });
}

/// What a compressor is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CompressorSettings {
    pub(crate) level: u8,
    pub(crate) mem_level: u8,
    pub(crate) window: u8,
}

/// The memory level for short messages, and how long those are: of no more bytes than a block has symbols.
const SHORT_MEM_LEVEL: u8 = 5;
const SHORT: usize = (1 << (SHORT_MEM_LEVEL + 6)) - 2;

impl CompressorSettings {
    /// The same for a message that is compressed by itself. A short one comes out the same with less memory, all of which
    /// zlib-rs zeroes twice for each message.
    pub(crate) fn for_one_of(self, len: usize) -> Self {
        if len > SHORT { self } else { Self { mem_level: self.mem_level.min(SHORT_MEM_LEVEL), ..self } }
    }
}

pub(crate) struct Compressor {
    effort: CompressorSettings,
    deflate: Deflate,
}

impl Compressor {
    pub(crate) fn new(effort: CompressorSettings) -> Self {
        let deflate = Deflate::new_with_config(DeflateConfig {
            level: effort.level.into(),
            // Negative for raw deflate, without a header.
            window_bits: -i32::from(effort.window),
            mem_level: effort.mem_level.into(),
            ..DeflateConfig::default()
        });
        Self { effort, deflate }
    }

    pub(crate) fn effort(&self) -> CompressorSettings {
        self.effort
    }

    /// The bytes it holds: zlib-rs's state, of which the table of hashes is most, twice the window and as much for its chains,
    /// and 7 bytes for each symbol that a block may have.
    pub(crate) fn memory(&self) -> usize {
        let CompressorSettings { mem_level, window, .. } = self.effort;
        134_272 + (4 << window) + (7 << (mem_level + 6))
    }

    /// Forgets what was compressed.
    pub(crate) fn reset(&mut self) {
        self.deflate.reset();
    }

    /// Compresses a message, by RFC 7692 §7.2.1.
    pub(crate) fn compress(&mut self, message: &[u8]) -> Result<Bytes, ExtensionFault> {
        SCRATCH.with_borrow_mut(|Scratch { step, out }| {
            out.clear();
            let mut rest = message;
            loop {
                let (read, written) = (self.deflate.total_in(), self.deflate.total_out());
                self.deflate
                    .compress(rest, step, DeflateFlush::SyncFlush)
                    .map_err(|error| ExtensionFault::Encode(error.as_str()))?;
                rest = &rest[(self.deflate.total_in() - read) as usize..];
                let written = (self.deflate.total_out() - written) as usize;
                out.extend_from_slice(&step[..written]);
                if rest.is_empty() && written < step.len() {
                    break;
                }
            }
            // Nothing comes of an empty message after a flush.
            match out.len().checked_sub(TAIL.len()) {
                Some(0) | None => Ok(Bytes::from_static(&EMPTY)),
                Some(len) => {
                    out.truncate(len);
                    let message = if len <= KEPT { out.split() } else { std::mem::take(out) };
                    Ok(message.freeze())
                }
            }
        })
    }
}

pub(crate) struct Decompressor {
    window: u8,
    inflate: Inflate,
}

impl Decompressor {
    pub(crate) fn new(window: u8) -> Self {
        // A peer that says 8 may mean the 9 that zlib makes of it.
        Self { window, inflate: Inflate::new(false, window.max(9)) }
    }

    pub(crate) fn window(&self) -> u8 {
        self.window
    }

    /// The bytes it holds: zlib-rs's state, with the largest window in any case.
    pub(crate) fn memory(&self) -> usize {
        47_552
    }

    /// Forgets what was inflated.
    pub(crate) fn reset(&mut self) {
        // This sets the largest window, for which there is memory in any case.
        self.inflate.reset(false);
    }

    /// Inflates a message, by RFC 7692 §7.2.2, until it ends or goes beyond the room there is.
    pub(crate) fn decompress(&mut self, message: &[u8], room: &mut BoundedBuffer<'_>) -> Result<(), ExtensionFault> {
        if message.is_empty() {
            return Ok(());
        }
        SCRATCH.with_borrow_mut(|Scratch { step, .. }| {
            let mut rest = message;
            let mut is_final = false;
            let mut final_blocks = 0;
            while !rest.is_empty() {
                // What follows a final block is a separate stream (RFC 7692 §7.2.3.4).
                if std::mem::take(&mut is_final) {
                    final_blocks += 1;
                    if final_blocks > MAX_FINAL_BLOCKS {
                        return Err(ExtensionFault::InvalidData("too many final blocks"));
                    }
                    self.reset();
                }
                let (read, status) = self.drain(rest, InflateFlush::SyncFlush, step, room)?;
                is_final = status == Status::StreamEnd;
                if read == 0 && !is_final {
                    return Err(ExtensionFault::InvalidData("truncated deflate stream"));
                }
                rest = &rest[read..];
            }
            if is_final {
                self.reset();
                return Ok(());
            }
            // With a byte more than the tail, and told to stop where a block ends: where it takes that as well, or something
            // comes of it, the tail was taken for data, and the message is cut off.
            let mut tail = [0; TAIL.len() + 1];
            tail[..TAIL.len()].copy_from_slice(&TAIL);
            let written = self.inflate.total_out();
            let (read, status) = self.drain(&tail, InflateFlush::Block, step, room)?;
            let is_whole = read == TAIL.len() && self.inflate.total_out() == written;
            if status == Status::StreamEnd {
                self.reset();
            }
            if is_whole { Ok(()) } else { Err(ExtensionFault::InvalidData("truncated deflate stream")) }
        })
    }

    /// Gives input to the codec until it wants no more of it, and takes all output. Tells how much input it took.
    fn drain(
        &mut self,
        input: &[u8],
        flush: InflateFlush,
        step: &mut [u8],
        room: &mut BoundedBuffer<'_>,
    ) -> Result<(usize, Status), ExtensionFault> {
        let mut taken = 0;
        loop {
            let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(&input[taken..], step, flush)
                .map_err(|_| ExtensionFault::InvalidData("invalid deflate data"))?;
            taken += (self.inflate.total_in() - read) as usize;
            let written = (self.inflate.total_out() - written) as usize;
            room.extend(&step[..written])?;
            if written < step.len() || status == Status::StreamEnd {
                return Ok((taken, status));
            }
        }
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").field("effort", &self.effort).finish_non_exhaustive()
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor").field("window", &self.window).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EFFORT: CompressorSettings = CompressorSettings { level: 6, mem_level: 8, window: 15 };

    fn inflate(decompressor: &mut Decompressor, message: &[u8]) -> Result<Vec<u8>, ExtensionFault> {
        let mut pass = |_: &[u8]| Ok(());
        let mut room = BoundedBuffer::new(1 << 20, &mut pass);
        decompressor.decompress(message, &mut room)?;
        Ok(room.take().to_vec())
    }

    fn text(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * i % 251) as u8 % 23 + b'a').collect()
    }

    #[test]
    fn a_message_cut_off_anywhere_is_an_error() {
        for len in [1, 10, 300, 5000] {
            let message = Compressor::new(EFFORT).compress(&text(len)).unwrap();
            for cut in 1..message.len() {
                let inflated = inflate(&mut Decompressor::new(15), &message[..cut]);
                assert!(inflated.is_err(), "{len} bytes, {cut} of {}: {inflated:?}", message.len());
            }
            assert_eq!(inflate(&mut Decompressor::new(15), &message).unwrap(), text(len));
        }
    }

    #[test]
    fn an_empty_message_may_stand_between_others() {
        let (mut compressor, mut decompressor) = (Compressor::new(EFFORT), Decompressor::new(15));
        for message in [&b""[..], b"Hello", b"", b"", b"Hello", b""] {
            let compressed = compressor.compress(message).unwrap();
            assert_eq!(inflate(&mut decompressor, &compressed).unwrap(), message);
        }
    }

    /// RFC 7692 §7.2.3.4.
    #[test]
    fn the_message_after_a_final_block_works() {
        let mut decompressor = Decompressor::new(15);
        let with_final_block = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
        for _ in 0..3 {
            assert_eq!(inflate(&mut decompressor, &with_final_block).unwrap(), b"Hello");
            assert_eq!(inflate(&mut decompressor, &with_final_block[..7]).unwrap(), b"Hello");
        }
    }

    /// RFC 7692 §7.2.3.1 to §7.2.3.5.
    #[test]
    fn the_examples_of_the_specification_inflate() {
        let mut decompressor = Decompressor::new(15);
        let kept = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        assert_eq!(inflate(&mut decompressor, &kept).unwrap(), b"Hello");
        assert_eq!(inflate(&mut decompressor, &[0xf2, 0x00, 0x11, 0x00, 0x00]).unwrap(), b"Hello");
        let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
        assert_eq!(inflate(&mut decompressor, &stored).unwrap(), b"Hello");
        let two_blocks = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
        assert_eq!(inflate(&mut decompressor, &two_blocks).unwrap(), b"Hello");
    }

    #[test]
    fn every_window_effort_and_size_comes_back() {
        for window in 9..=15 {
            for (level, mem_level) in [(0, 8), (1, 1), (6, 8), (9, 9), (3, 4)] {
                let mut compressor = Compressor::new(CompressorSettings { level, mem_level, window });
                let mut decompressor = Decompressor::new(window);
                for len in [0, 1, 100, 32 * 1024 - 5, 32 * 1024, 200_000] {
                    let compressed = compressor.compress(&text(len)).unwrap();
                    assert!(inflate(&mut decompressor, &compressed).unwrap() == text(len), "{window} {level} {len}");
                }
            }
        }
    }

    #[test]
    fn a_short_message_by_itself_comes_out_the_same_with_less_memory() {
        let noise = |len| {
            let step = |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            std::iter::successors(Some(7), step).map(|state| (state >> 56) as u8).take(len).collect::<Vec<_>>()
        };
        for level in 0..=9 {
            for message in [1, 100, SHORT - 1, SHORT].into_iter().flat_map(|len| [text(len), noise(len), vec![0; len]])
            {
                let effort = CompressorSettings { level, ..EFFORT };
                let short = effort.for_one_of(message.len());
                assert!(short.mem_level < effort.mem_level);
                let [expected, compressed] =
                    [effort, short].map(|effort| Compressor::new(effort).compress(&message).unwrap());
                assert!(compressed == expected, "level {level}, {} bytes", message.len());
            }
        }
        assert_eq!(EFFORT.for_one_of(SHORT + 1), EFFORT);
        let least = CompressorSettings { mem_level: 1, ..EFFORT };
        assert_eq!(least.for_one_of(1), least);
    }

    #[test]
    fn inflating_stops_at_the_limit() {
        let bomb = Compressor::new(EFFORT).compress(&vec![0; 64 << 20]).unwrap();
        assert!(bomb.len() < 70_000);
        assert_eq!(inflate(&mut Decompressor::new(15), &bomb), Err(ExtensionFault::MessageTooBig { limit: 1 << 20 }));
    }
}
