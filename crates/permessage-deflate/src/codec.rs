//! Compression and decompression of single messages by zlib-rs: raw deflate with the flush of RFC
//! 7692 §7.2.
//!
//! zlib-rs is used directly instead of through flate2, since its interface has the memory level and
//! stops at the end of a block, which distinguishes truncated messages from complete ones.

use std::cell::RefCell;
use std::fmt;

use bytes::{Buf, Bytes, BytesMut};
use websocket_driver_extensions::{BoundedBuffer, ExtensionFault, PieceFlush, Progress};
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush, Status};

/// Number of output bytes per call of a codec.
const STEP: usize = 32 * 1024;

/// Length of the longest compressed message whose memory is reused. A thread holds at most about
/// twice this amount.
const KEPT: usize = 256 * 1024;

/// Maximum number of final blocks before the last one of a message. Compressors that end a message
/// with a final block produce one, and a message concatenated from separately compressed pieces has
/// one per piece. Each needs a reset of the codec, which takes longer than inflating the two bytes
/// of an empty block, so a message of only such blocks would be expensive.
const MAX_FINAL_BLOCKS: usize = 16;

/// The end of a sync flush, which is removed from messages (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The compressed form of an empty message (RFC 7692 §7.2.3.6).
const EMPTY: [u8; 1] = [0x00];

struct Scratch {
    /// Output of a codec, which needs initialized bytes. Zeroed once per thread.
    step: Box<[u8]>,
    /// The compressed message. Its memory is reused once the message is written.
    out: BytesMut,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> =
        RefCell::new(Scratch { step: vec![0; STEP].into_boxed_slice(), out: BytesMut::new() });
}

/// The settings of a compressor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CompressorSettings {
    pub(crate) level: u8,
    pub(crate) mem_level: u8,
    pub(crate) window: u8,
}

/// The memory level for short messages, which have no more bytes than a block has symbols, and
/// their maximum length.
const SHORT_MEM_LEVEL: u8 = 5;
const SHORT: usize = (1 << (SHORT_MEM_LEVEL + 6)) - 2;

impl CompressorSettings {
    /// Returns the settings for a message that is compressed independently. The output of short
    /// messages is the same with less memory, all of which zlib-rs zeroes twice per message.
    pub(crate) fn for_one_of(self, len: usize) -> Self {
        if len > SHORT { self } else { Self { mem_level: self.mem_level.min(SHORT_MEM_LEVEL), ..self } }
    }
}

pub(crate) struct Compressor {
    settings: CompressorSettings,
    deflate: Deflate,
}

impl Compressor {
    pub(crate) fn new(settings: CompressorSettings) -> Self {
        let deflate = Deflate::new_with_config(DeflateConfig {
            level: settings.level.into(),
            // Negative for raw deflate, without a header.
            window_bits: -i32::from(settings.window),
            mem_level: settings.mem_level.into(),
            ..DeflateConfig::default()
        });
        Self { settings, deflate }
    }

    pub(crate) fn settings(&self) -> CompressorSettings {
        self.settings
    }

    /// Returns the number of bytes held: the state of zlib-rs, mostly its hash table, four times
    /// the window for the data and its chains, and 7 bytes for each symbol of a block.
    pub(crate) fn memory(&self) -> usize {
        let CompressorSettings { mem_level, window, .. } = self.settings;
        134_272 + (4 << window) + (7 << (mem_level + 6))
    }

    /// Discards the context.
    pub(crate) fn reset(&mut self) {
        self.deflate.reset();
    }

    /// Passes data to the codec, and appends its output.
    fn append(
        &mut self,
        data: &[u8],
        flush: DeflateFlush,
        step: &mut [u8],
        out: &mut BytesMut,
    ) -> Result<(), ExtensionFault> {
        let mut rest = data;
        loop {
            let (read, written) = (self.deflate.total_in(), self.deflate.total_out());
            self.deflate.compress(rest, step, flush).map_err(|error| ExtensionFault::Encode(error.as_str()))?;
            rest = &rest[(self.deflate.total_in() - read) as usize..];
            let written = (self.deflate.total_out() - written) as usize;
            out.extend_from_slice(&step[..written]);
            if rest.is_empty() && written < step.len() {
                return Ok(());
            }
        }
    }

    /// Compresses a message (RFC 7692 §7.2.1).
    pub(crate) fn compress(&mut self, message: &[u8]) -> Result<Bytes, ExtensionFault> {
        SCRATCH.with_borrow_mut(|Scratch { step, out }| {
            out.clear();
            self.append(message, DeflateFlush::SyncFlush, step, out)?;
            // An empty message produces no output after a flush.
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

/// The encoder of a message that is compressed in pieces. It holds back the last four bytes of the
/// output, as they are the tail that is removed if the message ends there.
#[derive(Debug, Default)]
pub(crate) struct PieceEncoder {
    held: BytesMut,
    /// Whether a part of the message was output.
    has_output: bool,
}

impl PieceEncoder {
    /// Compresses a piece, and appends the bytes that can be sent to `output`.
    pub(crate) fn encode(
        &mut self,
        compressor: &mut Compressor,
        piece: &[u8],
        flush: PieceFlush,
        output: &mut BytesMut,
    ) -> Result<(), ExtensionFault> {
        let start = output.len();
        output.extend_from_slice(&self.held);
        self.held.clear();
        let deflate = if flush == PieceFlush::None { DeflateFlush::NoFlush } else { DeflateFlush::SyncFlush };
        if flush != PieceFlush::None || !piece.is_empty() {
            SCRATCH.with_borrow_mut(|Scratch { step, .. }| compressor.append(piece, deflate, step, output))?;
        }
        let end = output.len().saturating_sub(TAIL.len()).max(start);
        if flush == PieceFlush::Finish {
            output.truncate(end);
            if end == start && !self.has_output {
                output.extend_from_slice(&EMPTY);
            }
            *self = Self::default();
        } else {
            self.held.extend_from_slice(&output[end..]);
            output.truncate(end);
            self.has_output |= end > start;
        }
        Ok(())
    }

    /// Returns the number of bytes held.
    pub(crate) fn memory(&self) -> usize {
        self.held.capacity()
    }
}

pub(crate) struct Decompressor {
    window: u8,
    inflate: Inflate,
    pieces: PieceState,
}

/// The state of a message that is inflated in pieces.
#[derive(Debug, Default)]
struct PieceState {
    /// Whether a part of the message was received.
    has_input: bool,
    /// Whether the codec may have more output for the consumed input.
    has_output: bool,
    /// Whether the last block was final.
    is_final: bool,
    final_blocks: usize,
}

impl Decompressor {
    pub(crate) fn new(window: u8) -> Self {
        // A peer that negotiated 8 may use 9, as zlib does.
        Self { window, inflate: Inflate::new(false, window.max(9)), pieces: PieceState::default() }
    }

    pub(crate) fn window(&self) -> u8 {
        self.window
    }

    /// Returns the number of bytes held: the state of zlib-rs, always with the largest window.
    pub(crate) fn memory(&self) -> usize {
        47_552
    }

    /// Discards the context.
    pub(crate) fn reset(&mut self) {
        // This sets the largest window, for which memory is always allocated.
        self.inflate.reset(false);
    }

    /// Inflates a message (RFC 7692 §7.2.2) until it ends or exceeds the limit of the buffer.
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
            self.finish(is_final, step)
        })
    }

    /// Inflates a piece of a message until `output` has `limit` bytes, see
    /// [`StreamingSession::decode_piece`](websocket_driver_extensions::StreamingSession::decode_piece).
    pub(crate) fn decompress_piece(
        &mut self,
        input: &mut Bytes,
        is_last: bool,
        output: &mut BytesMut,
        limit: usize,
    ) -> Result<Progress, ExtensionFault> {
        SCRATCH.with_borrow_mut(|Scratch { step, .. }| {
            while !input.is_empty() || self.pieces.has_output {
                let room = limit.saturating_sub(output.len());
                if room == 0 {
                    return Ok(Progress::OutputFull);
                }
                if std::mem::take(&mut self.pieces.is_final) {
                    self.pieces.final_blocks += 1;
                    if self.pieces.final_blocks > MAX_FINAL_BLOCKS {
                        return Err(ExtensionFault::InvalidData("too many final blocks"));
                    }
                    self.reset();
                }
                let room = room.min(step.len());
                let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
                let status = self
                    .inflate
                    .decompress(input, &mut step[..room], InflateFlush::SyncFlush)
                    .map_err(|_| ExtensionFault::InvalidData("invalid deflate data"))?;
                let read = (self.inflate.total_in() - read) as usize;
                let written = (self.inflate.total_out() - written) as usize;
                input.advance(read);
                output.extend_from_slice(&step[..written]);
                let pieces = &mut self.pieces;
                pieces.is_final = status == Status::StreamEnd;
                pieces.has_output = written == room && !pieces.is_final;
                pieces.has_input = true;
                if read == 0 && written == 0 && !pieces.is_final && !input.is_empty() {
                    return Err(ExtensionFault::InvalidData("truncated deflate stream"));
                }
            }
            if is_last {
                let pieces = std::mem::take(&mut self.pieces);
                if pieces.has_input {
                    self.finish(pieces.is_final, step)?;
                }
            }
            Ok(Progress::Done)
        })
    }

    /// Ends a message. Unless its last block was final, the tail must follow.
    fn finish(&mut self, is_final: bool, step: &mut [u8]) -> Result<(), ExtensionFault> {
        if is_final {
            self.reset();
            return Ok(());
        }
        // The input has one byte more than the tail, and the codec stops at the end of a block. If
        // it consumes that byte as well, or produces output, it took the tail for data: the message
        // is truncated.
        let mut tail = [0; TAIL.len() + 1];
        tail[..TAIL.len()].copy_from_slice(&TAIL);
        let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self
            .inflate
            .decompress(&tail, step, InflateFlush::Block)
            .map_err(|_| ExtensionFault::InvalidData("invalid deflate data"))?;
        let read = (self.inflate.total_in() - read) as usize;
        let is_whole = read == TAIL.len() && self.inflate.total_out() == written;
        if status == Status::StreamEnd {
            self.reset();
        }
        if is_whole { Ok(()) } else { Err(ExtensionFault::InvalidData("truncated deflate stream")) }
    }

    /// Passes input to the codec until it accepts no more, and takes all output. Returns the number
    /// of bytes consumed.
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
        f.debug_struct("Compressor").field("settings", &self.settings).finish_non_exhaustive()
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

    const SETTINGS: CompressorSettings = CompressorSettings { level: 6, mem_level: 8, window: 15 };

    fn inflate(decompressor: &mut Decompressor, message: &[u8]) -> Result<Vec<u8>, ExtensionFault> {
        let mut pass = |_: &[u8]| Ok(());
        let mut room = BoundedBuffer::new(1 << 20, &mut pass);
        decompressor.decompress(message, &mut room)?;
        Ok(room.take().to_vec())
    }

    fn text(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * i % 251) as u8 % 23 + b'a').collect()
    }

    fn noise(len: usize) -> Vec<u8> {
        let step = |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        std::iter::successors(Some(7), step).map(|state| (state >> 56) as u8).take(len).collect()
    }

    #[test]
    fn truncated_message_is_an_error() {
        for len in [1, 10, 300, 5000] {
            let message = Compressor::new(SETTINGS).compress(&text(len)).unwrap();
            for cut in 1..message.len() {
                let inflated = inflate(&mut Decompressor::new(15), &message[..cut]);
                assert!(inflated.is_err(), "{len} bytes, {cut} of {}: {inflated:?}", message.len());
            }
            assert_eq!(inflate(&mut Decompressor::new(15), &message).unwrap(), text(len));
        }
    }

    #[test]
    fn empty_messages_between_others_round_trip() {
        let (mut compressor, mut decompressor) = (Compressor::new(SETTINGS), Decompressor::new(15));
        for message in [&b""[..], b"Hello", b"", b"", b"Hello", b""] {
            let compressed = compressor.compress(message).unwrap();
            assert_eq!(inflate(&mut decompressor, &compressed).unwrap(), message);
        }
    }

    /// RFC 7692 §7.2.3.4.
    #[test]
    fn message_after_final_block_is_inflated() {
        let mut decompressor = Decompressor::new(15);
        let with_final_block = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
        for _ in 0..3 {
            assert_eq!(inflate(&mut decompressor, &with_final_block).unwrap(), b"Hello");
            assert_eq!(inflate(&mut decompressor, &with_final_block[..7]).unwrap(), b"Hello");
        }
    }

    /// RFC 7692 §7.2.3.1 to §7.2.3.5.
    #[test]
    fn examples_of_the_specification_are_inflated() {
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
    fn messages_round_trip_with_every_window_level_and_size() {
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
    fn short_messages_are_compressed_the_same_with_less_memory() {
        for level in 0..=9 {
            for message in [1, 100, SHORT - 1, SHORT].into_iter().flat_map(|len| [text(len), noise(len), vec![0; len]])
            {
                let settings = CompressorSettings { level, ..SETTINGS };
                let short = settings.for_one_of(message.len());
                assert!(short.mem_level < settings.mem_level);
                let [expected, compressed] =
                    [settings, short].map(|settings| Compressor::new(settings).compress(&message).unwrap());
                assert!(compressed == expected, "level {level}, {} bytes", message.len());
            }
        }
        assert_eq!(SETTINGS.for_one_of(SHORT + 1), SETTINGS);
        let least = CompressorSettings { mem_level: 1, ..SETTINGS };
        assert_eq!(least.for_one_of(1), least);
    }

    /// As the documentation of `PermessageDeflate::mem_level` says.
    #[test]
    fn default_memory_level_compresses_like_that_of_zlib() {
        let quote = |i: u32| format!("{{\"id\":{},\"price\":{}}},", i.wrapping_mul(i), i.wrapping_mul(40_503) % 9_973);
        let json = (0..).map(quote).take(6000).collect::<String>().into_bytes();
        let rust = include_bytes!("codec.rs").as_slice();
        let default = crate::PermessageDeflate::new();
        let settings = CompressorSettings { level: default.level, mem_level: default.mem_level, window: 15 };
        for data in [&json[..], rust, &noise(100_000)] {
            for size in [200, 4094, 16 * 1024, data.len()] {
                let [expected, sent] = [SETTINGS, settings].map(|settings| {
                    let mut compressor = Compressor::new(settings);
                    data.chunks(size).map(|message| compressor.compress(message).unwrap().len()).sum::<usize>()
                });
                assert!(size > 4094 || sent == expected, "{size}: {sent} instead of {expected}");
                assert!(sent <= expected + expected / 100, "{size}: {sent} instead of {expected}");
            }
        }
    }

    #[test]
    fn inflation_stops_at_the_limit() {
        let bomb = Compressor::new(SETTINGS).compress(&vec![0; 64 << 20]).unwrap();
        assert!(bomb.len() < 70_000);
        assert_eq!(inflate(&mut Decompressor::new(15), &bomb), Err(ExtensionFault::MessageTooBig { limit: 1 << 20 }));
    }
}
