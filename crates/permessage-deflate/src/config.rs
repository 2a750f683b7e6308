use crate::window::WindowBits;

/// The extension, with its options, which have the names of the original's. Register it with
/// `websocket_driver::Config::extension`.
///
/// "Own" is what this side compresses and the peer inflates; "the peer's" is the other direction.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct PermessageDeflate {
    pub(crate) level: u8,
    pub(crate) mem_level: u8,
    pub(crate) max_window_bits: WindowBits,
    pub(crate) request_max_window_bits: WindowBits,
    pub(crate) no_context_takeover: bool,
    pub(crate) request_no_context_takeover: bool,
    pub(crate) threshold: usize,
}

impl PermessageDeflate {
    /// The defaults: level 6, memory level 8, windows of 32 KiB, contexts kept from message to message, a threshold of 64
    /// bytes.
    pub fn new() -> Self {
        Self {
            level: 6,
            mem_level: 8,
            max_window_bits: WindowBits::MAX,
            request_max_window_bits: WindowBits::MAX,
            no_context_takeover: false,
            request_no_context_takeover: false,
            threshold: 64,
        }
    }

    /// How hard to compress, from 0, not at all, by 1, fast, to 9; above counts as 9.
    pub fn level(self, level: u8) -> Self {
        Self { level: level.min(9), ..self }
    }

    /// How much memory the compressor may use, from 1 to 9; beyond counts as the nearest.
    pub fn mem_level(self, level: u8) -> Self {
        Self { mem_level: level.clamp(1, 9), ..self }
    }

    /// The largest own window. The peer is told, so that it needs no larger one to inflate. With 8 nothing is compressed,
    /// since zlib cannot; what the peer compresses is inflated all the same.
    pub fn max_window_bits(self, bits: WindowBits) -> Self {
        Self { max_window_bits: bits, ..self }
    }

    /// Asks the peer for a window of this size at most. A client's peer must agree, or there will be no compression; a
    /// server can ask only a client that offers to be asked.
    pub fn request_max_window_bits(self, bits: WindowBits) -> Self {
        Self { request_max_window_bits: bits, ..self }
    }

    /// Whether to begin every own message afresh. It costs size, above all with small messages, and saves memory: the
    /// connection then holds no compressor.
    pub fn no_context_takeover(self, yes: bool) -> Self {
        Self { no_context_takeover: yes, ..self }
    }

    /// Asks the peer to begin every message afresh, so that the connection holds no decompressor.
    pub fn request_no_context_takeover(self, yes: bool) -> Self {
        Self { request_no_context_takeover: yes, ..self }
    }

    /// The length in bytes below which a message is not compressed.
    pub fn threshold(self, bytes: usize) -> Self {
        Self { threshold: bytes, ..self }
    }
}

impl Default for PermessageDeflate {
    fn default() -> Self {
        Self::new()
    }
}
