//! Messages of permessage-deflate without context takeover (RFC 7692 §7.2), compressed by zlib-rs,
//! independently of the crate under test.

use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush};

const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The level and window of the servers: zlib's defaults.
const LEVEL: i32 = 6;
const WINDOW: u8 = 15;

pub(crate) fn compress(message: &[u8]) -> Result<Vec<u8>, String> {
    let mut deflate = Deflate::new(LEVEL, false, WINDOW);
    // Stored blocks, the worst case, cost 5 bytes for every 16 KiB or so.
    let mut out = vec![0; message.len() + message.len() / 1024 + 64];
    deflate.compress(message, &mut out, DeflateFlush::SyncFlush).map_err(|error| error.as_str().to_owned())?;
    out.truncate(deflate.total_out() as usize);
    if deflate.total_in() < message.len() as u64 || !out.ends_with(&TAIL) {
        return Err("the compressed message did not fit".into());
    }
    out.truncate(out.len() - TAIL.len());
    Ok(out)
}

/// Decompresses a message with the expected number of bytes; returns one more if it is longer.
pub(crate) fn inflate(compressed: &[u8], size: usize) -> Result<Vec<u8>, String> {
    let mut inflate = Inflate::new(false, WINDOW);
    let mut out = vec![0; size + 1];
    let input = [compressed, &TAIL].concat();
    inflate.decompress(&input, &mut out, InflateFlush::SyncFlush).map_err(|error| error.as_str().to_owned())?;
    out.truncate(inflate.total_out() as usize);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_can_be_inflated() {
        for message in [b"x".repeat(1000), (0..=255).cycle().take(100_000).collect()] {
            let compressed = compress(&message).expect("it compresses");
            assert!(compressed.len() < message.len());
            assert_eq!(inflate(&compressed, message.len()), Ok(message.clone()));
            assert_ne!(inflate(&compressed, message.len() - 1), Ok(message[1..].to_vec()));
        }
    }
}
