use multiversion::multiversion;

/// From this length in bytes on, the call to a function compiled for the actual processor pays off.
const LONG: usize = 256;

/// From this length in bytes on, aligning to whole registers first pays off. Otherwise every second
/// store would cross a cache line.
const ALIGNED: usize = 2048;

/// Applies a masking key to bytes that begin `at` bytes into the payload (RFC 6455 §5.3).
// Baseline: header-decode, client-send-1k.
#[inline(always)]
pub(crate) fn apply_mask(bytes: &mut [u8], mut key: [u8; 4], at: usize) {
    key.rotate_left(at % 4);
    match bytes.len() {
        ..LONG => mask(bytes, key),
        LONG..ALIGNED => mask_long(bytes, key),
        ALIGNED.. => mask_aligned(bytes, key),
    }
}

fn mask_aligned(bytes: &mut [u8], mut key: [u8; 4]) {
    // At most 31 bytes, but `align_offset` is allowed to return `usize::MAX`.
    let (head, rest) = bytes.split_at_mut(bytes.as_ptr().align_offset(32).min(ALIGNED));
    mask(head, key);
    key.rotate_left(head.len() % 4);
    mask_long(rest, key);
}

// The macro expands to `unsafe` calls of functions with target features, behind a check at run
// time: the only `unsafe` of this crate outside dependencies, as the README says. Without it, 1 KiB
// pipelined and 64 KiB in fragments cost 4 % more. AVX-512 would be faster still, but its names are
// known only to compilers from 1.89 on.
#[multiversion(targets("x86_64+avx2"))]
fn mask_long(bytes: &mut [u8], key: [u8; 4]) {
    mask(bytes, key);
}

/// A flat loop over 8-byte words, which the compiler vectorizes with the widest registers
/// available.
// Baseline: echo-binary-1k, client-receive-1k.
#[inline(always)]
fn mask(bytes: &mut [u8], key: [u8; 4]) {
    let narrow = u64::from(u32::from_ne_bytes(key));
    let wide = narrow << 32 | narrow;
    let (words, tail) = bytes.as_chunks_mut();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(wide.to_ne_bytes()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mask_is_applied_at_any_offset_and_length() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for at in 0..9 {
            for len in (0..70).chain(LONG - 9..LONG + 70).chain(ALIGNED - 9..ALIGNED + 70) {
                // Varies the alignment of the first byte as well.
                let mut buffer: Vec<u8> = (0..at + len).map(|i| i as u8).collect();
                let bytes = &mut buffer[at..];
                let expected: Vec<u8> = bytes.iter().enumerate().map(|(i, b)| b ^ key[(at + i) % 4]).collect();
                apply_mask(bytes, key, at);
                assert_eq!(bytes, expected, "{len} bytes at {at}");
            }
        }
    }
}
