//! Encoding and decoding of frames, as strict as the specifications. Shares no code with the
//! driver, so that both cannot have the same bug.

use std::fmt;

use websocket_driver::{CloseCode, CloseFrame, Version};

/// The masking key of the examples in RFC 6455 §5.7.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The closing frame of draft-hixie-76 §5.3.
pub(super) const HIXIE_CLOSE: [u8; 2] = [0xff, 0x00];

/// The number of bytes displayed of a long payload.
const SHOWN: usize = 200;

/// A frame read by a [`Peer`](super::Peer): a complete message, whose fragments were joined, or a
/// control frame.
///
/// ```
/// use tower_websocket::{CloseCode, CloseFrame, test::Frame};
///
/// let close = CloseFrame { code: CloseCode::GOING_AWAY, reason: "bye".into() };
/// assert_eq!(Frame::Close(close).to_string(), r#"a close with 1001 and "bye""#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A ping.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// A close frame, with [`CloseCode::NO_STATUS`] if it has no code, as in hixie-76.
    Close(CloseFrame),
}

/// Formats the frame for messages of failed tests.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "the text {}", Shown(text.as_bytes())),
            Self::Binary(data) => write!(f, "the binary message {}", Shown(data)),
            Self::Ping(data) => write!(f, "a ping with {}", Shown(data)),
            Self::Pong(data) => write!(f, "a pong with {}", Shown(data)),
            Self::Close(close) => write!(f, "a close with {} and {:?}", close.code, &*close.reason),
        }
    }
}

/// Displays bytes in readable form, truncated if there are many.
pub(super) struct Shown<'a>(pub(super) &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes.len() <= SHOWN => write!(f, "\"{}\"", bytes.escape_ascii()),
            bytes => write!(f, "\"{}\"... ({} bytes)", bytes[..SHOWN].escape_ascii(), bytes.len()),
        }
    }
}

/// Encodes a frame with FIN (RFC 6455 §5.2), masked if it is sent by a client (§5.3).
pub(super) fn encode(opcode: u8, payload: &[u8], is_client: bool) -> Vec<u8> {
    let mask_bit = if is_client { 0x80 } else { 0 };
    let mut bytes = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..=125 => bytes.push(mask_bit | length as u8),
        length @ 126..=0xffff => {
            bytes.push(mask_bit | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(mask_bit | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    if is_client {
        bytes.extend(MASK);
        bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    } else {
        bytes.extend(payload);
    }
    bytes
}

/// Encodes a text frame of the hixie drafts.
pub(super) fn encode_hixie(text: &[u8]) -> Vec<u8> {
    [&[0x00], text, &[0xff]].concat()
}

/// Encodes the payload of a close frame (RFC 6455 §5.5.1).
pub(super) fn close_payload(code: CloseCode, reason: &str) -> Vec<u8> {
    match code {
        CloseCode::NO_STATUS => Vec::new(),
        code => [&u16::from(code).to_be_bytes(), reason.as_bytes()].concat(),
    }
}

/// A frame as it is on the wire.
pub(super) enum Part {
    /// A whole message, or a control frame.
    Frame(Frame),
    /// A fragment of a message, of which the last is final (RFC 6455 §5.4).
    Fragment { opcode: u8, payload: Vec<u8>, is_final: bool },
}

/// The fragments of a message whose end has not been read.
#[derive(Debug, Default)]
pub(super) struct Fragments(Option<(u8, Vec<u8>)>);

impl Fragments {
    /// Adds the next frame. Returns a control frame or a complete message, and `None` if the message
    /// is incomplete.
    ///
    /// # Errors
    ///
    /// A description of the violation.
    pub(super) fn join(&mut self, part: Part) -> Result<Option<Frame>, String> {
        match (part, &mut self.0) {
            (Part::Frame(message @ (Frame::Text(_) | Frame::Binary(_))), Some(_)) => {
                Err(format!("{message}, within another message"))
            }
            (Part::Frame(frame), _) => Ok(Some(frame)),
            (Part::Fragment { opcode: 0, .. }, None) => Err("a continuation of no message".into()),
            (Part::Fragment { opcode: 0, payload, is_final }, Some((_, message))) => {
                message.extend(payload);
                match self.0.take_if(|_| is_final) {
                    Some((opcode, message)) => frame(opcode, message).map(Some),
                    None => Ok(None),
                }
            }
            (Part::Fragment { .. }, Some(_)) => Err("the first fragment of a message, within another one".into()),
            (Part::Fragment { opcode, payload, .. }, message) => {
                *message = Some((opcode, payload));
                Ok(None)
            }
        }
    }
}

/// Decodes the first frame and returns it with its length, or `None` if it is incomplete.
///
/// # Errors
///
/// A description of the violation.
pub(super) fn decode(bytes: &[u8], version: Version, from_client: bool) -> Result<Option<(Part, usize)>, String> {
    if !version.is_hixie() {
        return decode_hybi(bytes, from_client);
    }
    Ok(decode_hixie(bytes, version)?.map(|(frame, length)| (Part::Frame(frame), length)))
}

fn decode_hybi(bytes: &[u8], from_client: bool) -> Result<Option<(Part, usize)>, String> {
    let &[first, second, ..] = bytes else {
        return Ok(None);
    };
    // §5.2. No extension was negotiated that would use the reserved bits.
    if first & 0x70 != 0 {
        return Err(format!("a frame with reserved bits: {first:#04x}"));
    }
    // §5.1.
    if (second & 0x80 != 0) != from_client {
        return Err(if from_client { "a frame without a mask" } else { "a masked frame of a server" }.into());
    }
    let Some((length, start)) = length(second & 0x7f, &bytes[2..])? else {
        return Ok(None);
    };
    // §5.5.
    if first & 0x08 != 0 && length > 125 {
        return Err(format!("a control frame of {length} bytes"));
    }
    let (opcode, is_final) = (first & 0x0f, first & 0x80 != 0);
    if first & 0x08 != 0 && !is_final {
        return Err(format!("a fragmented control frame: {first:#04x}"));
    }
    let key_length = if from_client { 4 } else { 0 };
    let (start, end) = (2 + start + key_length, (2 + start + key_length).saturating_add(length));
    let Some(payload) = bytes.get(start..end) else {
        return Ok(None);
    };
    let mut payload = payload.to_vec();
    if from_client {
        let key = &bytes[start - 4..start];
        payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    }
    let part = match opcode {
        0 => Part::Fragment { opcode, payload, is_final },
        1 | 2 if !is_final => Part::Fragment { opcode, payload, is_final },
        _ => Part::Frame(frame(opcode, payload)?),
    };
    Ok(Some((part, end)))
}

/// Returns the length of the payload, and the number of bytes of the extended length, which must be
/// minimal (RFC 6455 §5.2).
fn length(first: u8, rest: &[u8]) -> Result<Option<(usize, usize)>, String> {
    let (length, count, least) = match first {
        126 => {
            let Some(&bytes) = rest.first_chunk() else { return Ok(None) };
            (u64::from(u16::from_be_bytes(bytes)), 2, 126)
        }
        127 => {
            let Some(&bytes) = rest.first_chunk() else { return Ok(None) };
            (u64::from_be_bytes(bytes), 8, 0x1_0000)
        }
        short => (short.into(), 0, 0),
    };
    match usize::try_from(length) {
        Ok(length) if length >= least => Ok(Some((length, count))),
        Ok(length) => Err(format!("the length {length}, in {count} bytes more than it takes")),
        Err(_) => Err(format!("the length {length}")),
    }
}

fn frame(opcode: u8, payload: Vec<u8>) -> Result<Frame, String> {
    match opcode {
        // §8.1.
        1 => Ok(Frame::Text(String::from_utf8(payload).map_err(|error| format!("a text with {error}"))?)),
        2 => Ok(Frame::Binary(payload)),
        8 => close(&payload).map(Frame::Close),
        9 => Ok(Frame::Ping(payload)),
        10 => Ok(Frame::Pong(payload)),
        opcode => Err(format!("the opcode {opcode}")),
    }
}

fn close(payload: &[u8]) -> Result<CloseFrame, String> {
    match payload {
        [] => Ok(CloseCode::NO_STATUS.into()),
        [_] => Err("half a close code".into()),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            // §7.4: the codes that are allowed in a close frame.
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(format!("the close code {code}"));
            }
            let reason = str::from_utf8(reason).map_err(|error| format!("a reason with {error}"))?;
            Ok(CloseFrame { code: code.into(), reason: reason.into() })
        }
    }
}

/// Decodes a frame of the hixie drafts (draft-hixie-76 §5.3). Draft 75 has no closing frame.
fn decode_hixie(bytes: &[u8], version: Version) -> Result<Option<(Frame, usize)>, String> {
    match bytes {
        [] | [0xff] => Ok(None),
        [0xff, 0x00, ..] if version == Version::Hixie76 => Ok(Some((Frame::Close(CloseCode::NO_STATUS.into()), 2))),
        [0x00, rest @ ..] => {
            let Some(end) = rest.iter().position(|&byte| byte == 0xff) else {
                return Ok(None);
            };
            Ok(Some((frame(1, rest[..end].to_vec())?, end + 2)))
        }
        [first, ..] => Err(format!("a frame that begins with {first:#04x}")),
    }
}
