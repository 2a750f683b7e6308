//! Strictly decoded server frames.

use crate::encoding::{read_frame, read_header};

/// A server frame: a complete, unmasked message or a control frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFrame {
    /// The opcode: 1, 2, 8, 9 or 10.
    pub opcode: u8,
    /// The payload.
    pub payload: Vec<u8>,
}

impl ServerFrame {
    /// Creates a frame to compare with.
    pub fn new(opcode: u8, payload: impl AsRef<[u8]>) -> Self {
        Self { opcode, payload: payload.as_ref().to_vec() }
    }

    /// Creates a text frame to compare with.
    pub fn text(payload: &str) -> Self {
        Self::new(1, payload)
    }

    /// Creates a pong to compare with.
    pub fn pong(payload: impl AsRef<[u8]>) -> Self {
        Self::new(10, payload)
    }

    /// Creates a close frame to compare with.
    pub fn close(code: u16, reason: &str) -> Self {
        Self::new(8, [&code.to_be_bytes(), reason.as_bytes()].concat())
    }

    /// Returns the code of a close frame that has one.
    pub fn close_code(&self) -> Option<u16> {
        match (self.opcode, &self.payload[..]) {
            (8, [high, low, ..]) => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        }
    }
}

/// Decodes the first frame and returns it with its encoded length, or `None` while it is
/// incomplete.
///
/// # Panics
///
/// If a server must not send it: a mask, fragments, reserved bits, an unknown opcode, a length that
/// is not minimal, or a control frame that is too long.
pub fn server_frame(bytes: &[u8]) -> Option<(ServerFrame, usize)> {
    let header = read_header(bytes)?;
    let (first, length) = (header.first, header.length);
    assert!(matches!(first, 0x81 | 0x82 | 0x88..=0x8a), "first byte {first:#x}");
    assert!(header.key.is_none(), "a masked frame of a server");
    assert!(header.is_minimal(), "length {length} is not minimal");
    assert!(first < 0x88 || length <= 125, "a control frame of {length} bytes");
    let (_, payload, rest) = read_frame(bytes)?;
    Some((ServerFrame { opcode: first & 0x0f, payload: payload.to_vec() }, bytes.len() - rest.len()))
}

/// Decodes all frames.
///
/// # Panics
///
/// Same as [`server_frame`], and if the last frame is incomplete.
pub fn server_frames(mut bytes: &[u8]) -> Vec<ServerFrame> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (frame, length) = server_frame(bytes).expect("the last frame is whole");
        all.push(frame);
        bytes = &bytes[length..];
    }
    all
}
