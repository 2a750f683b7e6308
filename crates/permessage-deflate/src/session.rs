use std::cell::RefCell;

use bytes::{Bytes, BytesMut};
use websocket_driver_extensions::{
    BoundedBuffer, ExtensionFault, Message, PieceFlush, Progress, Rsv, Session, StreamingSession,
};

use crate::codec::{Compressor, CompressorSettings, Decompressor, PieceEncoder};
use crate::config::PermessageDeflate;
use crate::negotiate::{Agreement, Direction};
use crate::window::WindowBits;

/// Number of codecs of either kind that a thread keeps for the connections that hold none.
const KEPT: usize = 4;

thread_local! {
    static COMPRESSORS: RefCell<Vec<Compressor>> = const { RefCell::new(Vec::new()) };
    static DECOMPRESSORS: RefCell<Vec<Decompressor>> = const { RefCell::new(Vec::new()) };
}

/// The session of one connection. A direction with context takeover owns a codec, created at its
/// first compressed message; otherwise each message borrows one of the thread's codecs. The
/// compressor is released when the connection is idle.
#[derive(Debug)]
pub(crate) struct DeflateSession {
    own: Direction,
    peer: Direction,
    settings: CompressorSettings,
    threshold: usize,
    keep_idle_context: bool,
    activity: Activity,
    compressor: Option<Compressor>,
    decompressor: Option<Decompressor>,
    encoder: PieceEncoder,
}

/// The use of the compressor since the last call of [`Session::release_idle`].
#[derive(Debug, Default)]
enum Activity {
    #[default]
    None,
    Messages,
    /// A message is unfinished, and may be buffered in the compressor.
    Unfinished,
}

impl DeflateSession {
    pub(crate) fn new(config: &PermessageDeflate, agreement: Agreement) -> Self {
        let Agreement { own, peer } = agreement;
        Self {
            own,
            peer,
            settings: CompressorSettings { level: config.level, mem_level: config.mem_level, window: own.window.get() },
            threshold: config.threshold,
            keep_idle_context: config.keep_idle_context,
            activity: Activity::None,
            compressor: None,
            decompressor: None,
            encoder: PieceEncoder::default(),
        }
    }

    fn compress(&mut self, message: &mut Message) -> Result<(), ExtensionFault> {
        let settings = if self.own.takeover { self.settings } else { self.settings.for_one_of(message.data.len()) };
        let mut compressor = self.compressor.take().unwrap_or_else(|| borrow_compressor(settings));
        let compressed = compressor.compress(&message.data)?;
        if self.own.takeover {
            self.compressor = Some(compressor);
            self.activity = Activity::Messages;
        } else {
            give_back(&COMPRESSORS, compressor, Compressor::reset);
            // The peer keeps no context, so the message can be sent uncompressed without affecting
            // later ones.
            if compressed.len() >= message.data.len() {
                return Ok(());
            }
        }
        message.data = compressed;
        message.rsv = message.rsv | Rsv::RSV1;
        Ok(())
    }

    fn decompress(&mut self, message: &mut Message, room: &mut BoundedBuffer<'_>) -> Result<(), ExtensionFault> {
        let mut decompressor = self.decompressor.take().unwrap_or_else(|| borrow_decompressor(self.peer.window));
        decompressor.decompress(&message.data, room)?;
        if self.peer.takeover {
            self.decompressor = Some(decompressor);
        } else {
            give_back(&DECOMPRESSORS, decompressor, Decompressor::reset);
        }
        message.data = room.take();
        message.rsv = message.rsv.without(Rsv::RSV1);
        Ok(())
    }
}

impl Session for DeflateSession {
    fn decode(&mut self, message: &mut Message, room: &mut BoundedBuffer<'_>) -> Result<(), ExtensionFault> {
        // The peer may leave a message uncompressed (RFC 7692 §6).
        if message.rsv.contains(Rsv::RSV1) { self.decompress(message, room) } else { Ok(()) }
    }

    fn encode(&mut self, message: &mut Message) -> Result<(), ExtensionFault> {
        let worth_it = message.may_compress && message.data.len() >= self.threshold;
        if worth_it && self.own.window.can_compress() { self.compress(message) } else { Ok(()) }
    }

    fn streaming(&mut self) -> Option<&mut dyn StreamingSession> {
        Some(self)
    }

    fn encoding(&self) -> Option<u64> {
        let CompressorSettings { level, mem_level, window } = self.settings;
        // The threshold decides whether the compressor is used at all.
        let threshold = u32::try_from(self.threshold).ok()?;
        let number = u64::from_be_bytes([0, level, mem_level, window, 0, 0, 0, 0]) | u64::from(threshold);
        if self.own.takeover { None } else { Some(number) }
    }

    fn memory(&self) -> usize {
        let compressor = self.compressor.as_ref().map_or(0, Compressor::memory);
        let decompressor = self.decompressor.as_ref().map_or(0, Decompressor::memory);
        size_of::<Self>() + compressor + decompressor + self.encoder.memory()
    }

    /// Releases the compressor: the own messages may refer to earlier ones, but need not (RFC 7692
    /// §7.2.1). Those of the peer do (§7.2.2), so the decompressor has to be kept.
    fn release_idle(&mut self) {
        match self.activity {
            Activity::None if !self.keep_idle_context => self.compressor = None,
            Activity::None | Activity::Unfinished => {}
            Activity::Messages => self.activity = Activity::None,
        }
    }
}

/// In each direction, the session holds a codec from the first piece of a message to the last.
impl StreamingSession for DeflateSession {
    fn decode_piece(
        &mut self,
        input: &mut Bytes,
        is_last: bool,
        output: &mut BytesMut,
        limit: usize,
    ) -> Result<Progress, ExtensionFault> {
        let mut decompressor = self.decompressor.take().unwrap_or_else(|| borrow_decompressor(self.peer.window));
        let progress = decompressor.decompress_piece(input, is_last, output, limit)?;
        if is_last && progress == Progress::Done && !self.peer.takeover {
            give_back(&DECOMPRESSORS, decompressor, Decompressor::reset);
        } else {
            self.decompressor = Some(decompressor);
        }
        Ok(progress)
    }

    /// The length is not known, so the threshold does not apply.
    fn begin_encoding(&mut self, _is_text: bool, may_compress: bool) -> Option<Rsv> {
        if may_compress && self.own.window.can_compress() { Some(Rsv::RSV1) } else { None }
    }

    fn encode_piece(&mut self, piece: &[u8], flush: PieceFlush, output: &mut BytesMut) -> Result<(), ExtensionFault> {
        let mut compressor = self.compressor.take().unwrap_or_else(|| borrow_compressor(self.settings));
        self.encoder.encode(&mut compressor, piece, flush, output)?;
        let is_finished = flush == PieceFlush::Finish;
        if is_finished && !self.own.takeover {
            give_back(&COMPRESSORS, compressor, Compressor::reset);
        } else {
            self.compressor = Some(compressor);
        }
        self.activity = if is_finished { Activity::Messages } else { Activity::Unfinished };
        Ok(())
    }
}

fn borrow_compressor(settings: CompressorSettings) -> Compressor {
    take(&COMPRESSORS, |compressor| compressor.settings() == settings).unwrap_or_else(|| Compressor::new(settings))
}

fn borrow_decompressor(window: WindowBits) -> Decompressor {
    let window = window.get();
    take(&DECOMPRESSORS, |decompressor| decompressor.window() == window).unwrap_or_else(|| Decompressor::new(window))
}

type Pool<T> = std::thread::LocalKey<RefCell<Vec<T>>>;

fn take<T>(pool: &'static Pool<T>, fits: impl Fn(&T) -> bool) -> Option<T> {
    pool.with_borrow_mut(|pool| {
        let at = pool.iter().position(fits)?;
        Some(pool.swap_remove(at))
    })
}

/// Returns a codec to the pool. Codecs whose last message failed are dropped instead.
fn give_back<T>(pool: &'static Pool<T>, mut codec: T, reset: impl FnOnce(&mut T)) {
    reset(&mut codec);
    pool.with_borrow_mut(|pool| {
        if pool.len() == KEPT {
            pool.remove(0);
        }
        pool.push(codec);
    });
}
