use std::fmt::Write;

/// The number of bytes per line.
const WIDTH: usize = 16;

/// Appends a hex dump: lines with the offset, the bytes, and the bytes as text if they are ASCII.
pub(crate) fn push_dump(out: &mut String, bytes: &[u8], indent: usize) {
    for (at, line) in bytes.chunks(WIDTH).enumerate() {
        out.push('\n');
        // Writing to a string never fails.
        let _ = write!(out, "{:indent$}{:08x} ", "", at * WIDTH);
        for column in 0..WIDTH {
            if column % 8 == 0 {
                out.push(' ');
            }
            let _ = match line.get(column) {
                Some(byte) => write!(out, "{byte:02x} "),
                None => write!(out, "   "),
            };
        }
        out.push_str(" |");
        out.extend(line.iter().map(|&byte| if matches!(byte, b' '..=b'~') { char::from(byte) } else { '.' }));
        out.push('|');
    }
}
