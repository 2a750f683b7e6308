//! Client frames for tests.

use crate::encoding::{FIN, MASK, put_hixie_text, put_length};
use crate::opcode;

/// The encoding of a frame's length (RFC 6455 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LengthForm {
    /// The shortest encoding, as required.
    Shortest,
    /// 16 bits, even if not necessary.
    Bits16,
    /// 64 bits, even if not necessary.
    Bits64,
}

/// A client frame. It is valid, unless a method makes it invalid.
#[derive(Debug, Clone)]
pub struct Frame {
    first: u8,
    mask: Option<[u8; 4]>,
    form: LengthForm,
    announced: u64,
    payload: Vec<u8>,
}

impl Frame {
    /// Creates a final frame with any opcode.
    pub fn new(opcode: u8, payload: impl AsRef<[u8]>) -> Self {
        let payload = payload.as_ref().to_vec();
        let announced = payload.len() as u64;
        Self { first: FIN | opcode, mask: Some(MASK), form: LengthForm::Shortest, announced, payload }
    }

    /// Creates a continuation frame.
    pub fn continuation(payload: impl AsRef<[u8]>) -> Self {
        Self::new(opcode::CONTINUATION, payload)
    }

    /// Creates a text frame of bytes that may be invalid UTF-8.
    pub fn text(payload: impl AsRef<[u8]>) -> Self {
        Self::new(opcode::TEXT, payload)
    }

    /// Creates a binary frame.
    pub fn binary(payload: impl AsRef<[u8]>) -> Self {
        Self::new(opcode::BINARY, payload)
    }

    /// Creates a close frame with a code, valid or not, and a reason.
    pub fn close(code: u16, reason: impl AsRef<[u8]>) -> Self {
        Self::new(opcode::CLOSE, [&code.to_be_bytes(), reason.as_ref()].concat())
    }

    /// Creates a ping.
    pub fn ping(payload: impl AsRef<[u8]>) -> Self {
        Self::new(opcode::PING, payload)
    }

    /// Creates a pong.
    pub fn pong(payload: impl AsRef<[u8]>) -> Self {
        Self::new(opcode::PONG, payload)
    }

    /// Clears FIN: more fragments follow.
    pub fn more(mut self) -> Self {
        self.first &= !FIN;
        self
    }

    /// Sets reserved bits: 0x40, 0x20, 0x10.
    pub fn rsv(mut self, bits: u8) -> Self {
        self.first |= bits;
        self
    }

    /// Uses another masking key.
    pub fn mask(mut self, key: [u8; 4]) -> Self {
        self.mask = Some(key);
        self
    }

    /// Omits the mask.
    pub fn unmasked(mut self) -> Self {
        self.mask = None;
        self
    }

    /// Encodes the length in another form.
    pub fn length_form(mut self, form: LengthForm) -> Self {
        self.form = form;
        self
    }

    /// Announces a length other than that of the payload.
    pub fn announcing(mut self, length: u64) -> Self {
        self.announced = length;
        self
    }

    /// Returns the header with the masking key.
    pub fn header(&self) -> Vec<u8> {
        let mask_bit = if self.mask.is_some() { 0x80 } else { 0 };
        let mut bytes = vec![self.first];
        match self.form {
            LengthForm::Shortest => put_length(&mut bytes, mask_bit, self.announced),
            LengthForm::Bits16 => {
                bytes.push(mask_bit | 126);
                bytes.extend((self.announced as u16).to_be_bytes());
            }
            LengthForm::Bits64 => {
                bytes.push(mask_bit | 127);
                bytes.extend(self.announced.to_be_bytes());
            }
        }
        bytes.extend(self.mask.iter().flatten());
        bytes
    }

    /// Returns the whole frame.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header();
        let key = self.mask.unwrap_or_default();
        bytes.extend(self.payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        bytes
    }
}

/// Returns the bytes of frames in sequence.
pub fn frames(frames: impl IntoIterator<Item = Frame>) -> Vec<u8> {
    frames.into_iter().flat_map(|frame| frame.bytes()).collect()
}

/// Returns a text frame of the hixie drafts, of bytes that may be invalid UTF-8.
pub fn hixie_text(payload: impl AsRef<[u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_hixie_text(&mut bytes, payload.as_ref());
    bytes
}
