//! Messages of permessage-deflate (RFC 7692 §7.2), compressed by zlib-rs, independently of the crate
//! under test.

use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush};

const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The level and window of the servers: zlib's defaults.
const LEVEL: i32 = 6;
const WINDOW: u8 = 15;

/// The size of the window in bytes.
pub(crate) const WINDOW_SIZE: usize = 1 << WINDOW;

/// A compressor, which keeps its context between messages.
pub(crate) struct Compressor(Deflate);

impl Compressor {
    pub(crate) fn new() -> Self {
        Self(Deflate::new(LEVEL, false, WINDOW))
    }

    pub(crate) fn compress(&mut self, message: &[u8]) -> Result<Vec<u8>, String> {
        let Self(deflate) = self;
        let (read, written) = (deflate.total_in(), deflate.total_out());
        // Stored blocks, the worst case, cost 5 bytes for every 16 KiB or so.
        let mut out = vec![0; message.len() + message.len() / 1024 + 64];
        deflate.compress(message, &mut out, DeflateFlush::SyncFlush).map_err(|error| error.as_str().to_owned())?;
        out.truncate((deflate.total_out() - written) as usize);
        if deflate.total_in() - read < message.len() as u64 || !out.ends_with(&TAIL) {
            return Err("the compressed message did not fit".into());
        }
        out.truncate(out.len() - TAIL.len());
        Ok(out)
    }
}

/// A decompressor, which keeps its context between messages.
pub(crate) struct Decompressor(Inflate);

impl Decompressor {
    pub(crate) fn new() -> Self {
        Self(Inflate::new(false, WINDOW))
    }

    /// Decompresses a message with the expected number of bytes; returns one more if it is longer.
    pub(crate) fn decompress(&mut self, compressed: &[u8], size: usize) -> Result<Vec<u8>, String> {
        let Self(inflate) = self;
        let before = inflate.total_out();
        let mut out = vec![0; size + 1];
        let input = [compressed, &TAIL].concat();
        inflate.decompress(&input, &mut out, InflateFlush::SyncFlush).map_err(|error| error.as_str().to_owned())?;
        out.truncate((inflate.total_out() - before) as usize);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_messages_can_be_inflated() {
        for message in [b"x".repeat(1000), (0..=255).cycle().take(100_000).collect()] {
            let compressed = Compressor::new().compress(&message).expect("it compresses");
            assert!(compressed.len() < message.len());
            assert_eq!(Decompressor::new().decompress(&compressed, message.len()), Ok(message.clone()));
            assert_ne!(Decompressor::new().decompress(&compressed, message.len() - 1), Ok(message[1..].to_vec()));
        }
    }

    #[test]
    fn context_is_kept_between_messages() {
        let message: Vec<u8> = (0..1000_u32).flat_map(|number| number.wrapping_mul(number).to_le_bytes()).collect();
        let (mut compressor, mut decompressor) = (Compressor::new(), Decompressor::new());
        let [first, second] = [(); 2].map(|()| compressor.compress(&message).expect("it compresses"));
        assert!(second.len() < first.len() / 10);
        for compressed in [first, second] {
            assert_eq!(decompressor.decompress(&compressed, message.len()), Ok(message.clone()));
        }
    }
}
