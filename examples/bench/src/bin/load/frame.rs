//! Frames of RFC 6455, written without the code that is measured.

pub(crate) const FIN: u8 = 0x80;
pub(crate) const RSV1: u8 = 0x40;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;

/// Writes a frame as a client does.
pub(crate) fn masked(out: &mut Vec<u8>, first: u8, payload: &[u8], key: [u8; 4]) {
    header(out, first, 0x80, payload.len());
    out.extend(key);
    out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// Writes a frame as a server does.
pub(crate) fn unmasked(out: &mut Vec<u8>, first: u8, payload: &[u8]) {
    header(out, first, 0, payload.len());
    out.extend(payload);
}

fn header(out: &mut Vec<u8>, first: u8, mask_bit: u8, length: usize) {
    out.push(first);
    match length {
        0..=125 => out.push(mask_bit | length as u8),
        126..=0xffff => {
            out.push(mask_bit | 126);
            out.extend((length as u16).to_be_bytes());
        }
        _ => {
            out.push(mask_bit | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
}

/// The first frame of a server, if it is whole: its first byte, its payload, and what follows it.
pub(crate) fn read(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (&second, rest) = rest.split_first()?;
    let (length, rest) = match second {
        126 => rest.split_first_chunk().map(|(length, rest)| (u64::from(u16::from_be_bytes(*length)), rest))?,
        127 => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length), rest))?,
        // Masked, with a length that no server may send: it never gets whole, and the run stalls.
        128.. => return None,
        length => (u64::from(length), rest),
    };
    let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((first, payload, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_writes_can_be_read() {
        for length in [0, 1, 125, 126, 0xffff, 0x1_0000] {
            let payload = vec![7; length];
            let mut bytes = Vec::new();
            unmasked(&mut bytes, FIN | TEXT, &payload);
            assert_eq!(read(&bytes[..bytes.len() - 1]), None);
            bytes.push(9);
            assert_eq!(read(&bytes), Some((FIN | TEXT, &payload[..], &[9][..])));
        }
    }

    #[test]
    fn a_masked_frame_is_that_of_the_rfc() {
        // RFC 6455 §5.7.
        let mut bytes = Vec::new();
        masked(&mut bytes, FIN | TEXT, b"Hello", [0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(bytes, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }
}
