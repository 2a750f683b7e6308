use websocket_driver_extensions::Rsv;

use crate::error::ProtocolError;

/// The maximum length of a control frame's payload in bytes (RFC 6455 §5.5).
pub(crate) const MAX_CONTROL: usize = 125;

/// The maximum length of a header in bytes.
pub(crate) const MAX_HEADER: usize = 14;

/// The mask that leaves a payload unchanged.
pub(crate) const NO_MASK: [u8; 4] = [0; 4];

/// The opcode of a frame (RFC 6455 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    fn new(nibble: u8) -> Option<Self> {
        Some(match nibble {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    pub(crate) fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) fin: bool,
    pub(crate) rsv: Rsv,
    pub(crate) opcode: Opcode,
    pub(crate) mask: [u8; 4],
    pub(crate) len: usize,
}

/// The state and limits that a header is checked against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expect {
    /// Whether a message has started, so that a continuation must follow.
    pub(crate) continuation: bool,
    /// The reserved bits that extensions have claimed.
    pub(crate) rsv: Rsv,
    /// Whether an extension has to decode the message that has started, or every message.
    pub(crate) is_opaque: bool,
    /// Whether frames must be masked, as those of a client are.
    pub(crate) masked: bool,
    pub(crate) max_frame_size: u64,
    /// The size of the message so far in bytes.
    pub(crate) message_size: u64,
    pub(crate) max_message_size: u64,
}

impl Header {
    /// Parses a header. Returns it and its length, or `None` if it is incomplete. Each byte is
    /// checked as soon as it is available, so that an invalid header fails early.
    pub(crate) fn decode(bytes: &[u8], expect: Expect) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        let fin = first & 0x80 != 0;
        let rsv = Rsv::from_first_byte(first);
        let opcode = check_first_byte(first, expect)?;
        let Some(&second) = bytes.get(1) else {
            return Ok(None);
        };
        // RFC 6455 §5.1.
        match second & 0x80 != 0 {
            false if expect.masked => return Err(ProtocolError::UnmaskedFrame),
            true if !expect.masked => return Err(ProtocolError::MaskedFrame),
            _ => {}
        }
        let (len, at) = match second & 0x7f {
            _ if opcode.is_control() && second & 0x7f > MAX_CONTROL as u8 => {
                return Err(ProtocolError::ControlTooLong);
            }
            126 => match bytes.get(2..4) {
                Some(len) => (u64::from(u16::from_be_bytes([len[0], len[1]])), 4),
                None => return Ok(None),
            },
            127 => {
                // RFC 6455 §5.2: the most significant bit must be 0.
                if bytes.get(2).is_some_and(|byte| byte & 0x80 != 0) {
                    return Err(ProtocolError::LengthTopBit);
                }
                match bytes.get(2..10).and_then(|len| len.try_into().ok()) {
                    Some(len) => (u64::from_be_bytes(len), 10),
                    None => return Ok(None),
                }
            }
            len => (u64::from(len), 2),
        };
        if (at == 4 && len < 126) || (at == 10 && len <= u64::from(u16::MAX)) {
            return Err(ProtocolError::LengthNotMinimal);
        }
        let len = check_length(len, opcode, expect.is_opaque || !rsv.is_empty(), expect)?;
        if !expect.masked {
            return Ok(Some((Self { fin, rsv, opcode, mask: NO_MASK, len }, at)));
        }
        match bytes.get(at..at + 4).and_then(|mask| mask.try_into().ok()) {
            Some(mask) => Ok(Some((Self { fin, rsv, opcode, mask, len }, at + 4))),
            None => Ok(None),
        }
    }
}

#[inline]
fn check_first_byte(first: u8, expect: Expect) -> Result<Opcode, ProtocolError> {
    let rsv = Rsv::from_first_byte(first);
    // RFC 6455 §5.2: a bit must be 0 unless an extension gives it a meaning.
    if !expect.rsv.contains(rsv) {
        return Err(ProtocolError::ReservedBits);
    }
    let opcode = Opcode::new(first & 0x0f).ok_or(ProtocolError::UnknownOpcode(first & 0x0f))?;
    // RFC 7692 §6.1: the bits of a message are set on its first frame.
    if !rsv.is_empty() && !matches!(opcode, Opcode::Text | Opcode::Binary) {
        return Err(ProtocolError::ReservedBits);
    }
    match opcode {
        _ if opcode.is_control()
            // RFC 6455 §5.5.
            && first & 0x80 == 0 =>
        {
            return Err(ProtocolError::FragmentedControl);
        }
        // RFC 6455 §5.4.
        Opcode::Continuation if !expect.continuation => return Err(ProtocolError::UnexpectedContinuation),
        Opcode::Text | Opcode::Binary if expect.continuation => return Err(ProtocolError::ExpectedContinuation),
        _ => {}
    }
    Ok(opcode)
}

/// Checks a declared length against the limits before any memory is reserved for it.
#[inline]
fn check_length(len: u64, opcode: Opcode, is_opaque: bool, expect: Expect) -> Result<usize, ProtocolError> {
    if !opcode.is_control() {
        if len > expect.max_frame_size {
            return Err(ProtocolError::FrameTooBig { size: len, limit: reported(expect.max_frame_size) });
        }
        let size = len.saturating_add(expect.message_size);
        // Incompressible data grows slightly when encoded. The decoded size is checked exactly.
        let slack = |limit: u64| if is_opaque { limit / 8 + 1024 } else { 0 };
        if size > expect.max_message_size && size - expect.max_message_size > slack(expect.max_message_size) {
            return Err(ProtocolError::MessageTooBig { size, limit: reported(expect.max_message_size) });
        }
    }
    // The limit of a message that is received in pieces may be larger than a usize on 32-bit
    // targets.
    usize::try_from(len).map_err(|_| ProtocolError::FrameTooBig { size: len, limit: usize::MAX })
}

/// Converts a limit for an error.
pub(crate) fn reported(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// Writes the header of the only frame of a message to `buf`, and returns the written part.
#[inline]
pub(crate) fn encode(opcode: Opcode, rsv: Rsv, len: usize, mask: Option<[u8; 4]>, buf: &mut [u8; MAX_HEADER]) -> &[u8] {
    buf[0] = 0x80 | rsv.to_first_byte() | opcode as u8;
    let mut end = match len {
        0..=125 => {
            buf[1] = len as u8;
            2
        }
        126..=0xffff => {
            buf[1] = 126;
            buf[2..4].copy_from_slice(&(len as u16).to_be_bytes());
            4
        }
        _ => {
            buf[1] = 127;
            buf[2..10].copy_from_slice(&(len as u64).to_be_bytes());
            10
        }
    };
    if let Some(mask) = mask {
        buf[1] |= 0x80;
        buf[end..end + 4].copy_from_slice(&mask);
        end += 4;
    }
    &buf[..end]
}

/// Like [`encode`], for a frame of a fragmented message.
pub(crate) fn encode_fragment(
    is_final: bool,
    opcode: Opcode,
    rsv: Rsv,
    len: usize,
    mask: Option<[u8; 4]>,
    buf: &mut [u8; MAX_HEADER],
) -> &[u8] {
    let end = encode(opcode, rsv, len, mask, buf).len();
    if !is_final {
        buf[0] &= 0x7f;
    }
    &buf[..end]
}
