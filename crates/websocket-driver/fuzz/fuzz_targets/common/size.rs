/// Returns the size that a byte of the input stands for: up to 129 KiB.
pub fn size(byte: u8) -> usize {
    match usize::from(byte) {
        byte @ ..128 => byte,
        byte => (byte - 127) * 1024,
    }
}
