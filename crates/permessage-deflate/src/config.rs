use crate::window::WindowBits;

/// The permessage-deflate extension and its options. Register it with
/// `websocket_driver::Config::extension`.
///
/// "Own" refers to the direction that this side compresses, "the peer's" to the other direction.
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
    pub(crate) keep_idle_context: bool,
}

impl PermessageDeflate {
    /// Creates the extension with the defaults: level 6, memory level 6, windows of 32 KiB, context
    /// takeover in both directions, a threshold of 64 bytes.
    pub fn new() -> Self {
        Self {
            level: 6,
            mem_level: 6,
            max_window_bits: WindowBits::MAX,
            request_max_window_bits: WindowBits::MAX,
            no_context_takeover: false,
            request_no_context_takeover: false,
            threshold: 64,
            keep_idle_context: false,
        }
    }

    /// Sets the compression level, from 0 (none) and 1 (fast) to 9 (best). Default: 6. Larger
    /// values are clamped.
    pub fn level(self, level: u8) -> Self {
        Self { level: level.min(9), ..self }
    }

    /// Sets the memory level of the compressor, from 1 to 9. Default: 6, whose output is that of
    /// zlib's default of 8 for messages of up to 4,094 bytes, and at most about 1 % larger for longer
    /// ones. Other values are clamped.
    pub fn mem_level(self, level: u8) -> Self {
        Self { mem_level: level.clamp(1, 9), ..self }
    }

    /// Sets the maximum size of the own window. Default: 15 bits. It is negotiated, so that the
    /// peer needs no larger window to inflate. With 8 bits nothing is compressed, since zlib does
    /// not support it; the peer's messages are still inflated.
    pub fn max_window_bits(self, bits: WindowBits) -> Self {
        Self { max_window_bits: bits, ..self }
    }

    /// Requests a maximum window size from the peer. Default: 15 bits, no request. If a server does
    /// not agree to a client's request, there is no compression. A server can request it only from
    /// clients whose offer allows it.
    pub fn request_max_window_bits(self, bits: WindowBits) -> Self {
        Self { request_max_window_bits: bits, ..self }
    }

    /// Sets whether every own message is compressed independently. Default: `false`. Messages
    /// become larger, small ones in particular, but the connection holds no compressor.
    pub fn no_context_takeover(self, yes: bool) -> Self {
        Self { no_context_takeover: yes, ..self }
    }

    /// Sets whether to request that the peer compresses every message independently, so that the
    /// connection holds no decompressor. Default: `false`.
    pub fn request_no_context_takeover(self, yes: bool) -> Self {
        Self { request_no_context_takeover: yes, ..self }
    }

    /// Sets whether the compressor of an idle connection is kept. Default: `false`: it is released
    /// when the connection has compressed no message for some time, see
    /// `websocket_driver::Driver::release_idle`, and the next message is compressed without the
    /// content of earlier ones. Has no effect without context takeover.
    pub fn keep_idle_context(self, yes: bool) -> Self {
        Self { keep_idle_context: yes, ..self }
    }

    /// Sets the length in bytes below which a message is not compressed. Default: 64.
    pub fn threshold(self, bytes: usize) -> Self {
        Self { threshold: bytes, ..self }
    }
}

impl Default for PermessageDeflate {
    fn default() -> Self {
        Self::new()
    }
}
