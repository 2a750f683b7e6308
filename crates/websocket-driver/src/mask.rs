/// Applies a masking key to bytes that begin `at` bytes into the payload (RFC 6455 §5.3).
///
/// Tells whether what comes out is ASCII, which costs nothing more.
///
/// The loop is flat and in words of 8, which the compiler turns into the widest instructions of the target.
#[inline]
pub(crate) fn apply_mask(bytes: &mut [u8], mut key: [u8; 4], at: usize) -> bool {
    key.rotate_left(at % 4);
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = bytes.as_chunks_mut::<8>();
    let mut seen = 0;
    for word in words {
        let unmasked = u64::from_ne_bytes(*word) ^ wide;
        *word = unmasked.to_ne_bytes();
        seen |= unmasked;
    }
    let mut seen_in_tail = 0;
    for (byte, key) in tail.iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= key;
        seen_in_tail |= *byte;
    }
    seen & 0x8080_8080_8080_8080 == 0 && seen_in_tail & 0x80 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_is_masked_as_the_specification_says() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for at in 0..9 {
            for len in 0..70 {
                let mut bytes: Vec<u8> = (0..len as u8).collect();
                let expected: Vec<u8> = bytes.iter().enumerate().map(|(i, b)| b ^ key[(at + i) % 4]).collect();
                let is_ascii = apply_mask(&mut bytes, key, at);
                assert_eq!(bytes, expected, "{len} bytes at {at}");
                assert_eq!(is_ascii, expected.is_ascii(), "{len} bytes at {at}");
            }
        }
    }
}
