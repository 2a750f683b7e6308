//! The framing of both hixie drafts (draft-hixie-76 §5.3, draft-hixie-75 §4.2).

use std::time::Instant;

use bytes::{Buf, BytesMut};
use memchr::memchr;

use crate::config::settings::Settings;
use crate::error::{ProtocolError, SendError};
use crate::event::Event;
use crate::framing::allowance::Allowance;
use crate::framing::output::Output;
use crate::framing::rate::Rates;
use crate::message::Message;
use crate::message::close::{CloseCode, CloseFrame};
use crate::message::utf8::Utf8Bytes;
use crate::version::Version;

/// The maximum number of bytes of a length, at 7 bits each.
const MAX_LENGTH_BYTES: u8 = 10;

#[derive(Debug)]
pub(crate) struct Hixie {
    version: Version,
    state: State,
    rates: Option<Box<Rates>>,
}

#[derive(Debug)]
enum State {
    /// At the first byte of a frame.
    Type,
    /// In a text. The first `searched` bytes of the input do not contain its end.
    Text { searched: usize },
    /// In the length of a frame that is skipped.
    Length { type_byte: u8, len: u64, bytes: u8 },
    /// In the payload of a frame that is skipped.
    Skip { left: usize },
}

impl Hixie {
    pub(crate) fn new(version: Version, rates: Option<Box<Rates>>) -> Self {
        Self { version, state: State::Type, rates }
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        if let Some(rates) = &mut self.rates {
            rates.tick(now);
        }
    }

    /// See [`Protocol::poll`](crate::framing::Protocol::poll). The closing frame is returned as
    /// [`Event::Close`].
    pub(crate) fn poll(
        &mut self,
        input: &mut BytesMut,
        settings: &Settings,
        allowance: &mut Allowance,
    ) -> Result<Option<Event>, ProtocolError> {
        while !input.is_empty() {
            match &mut self.state {
                State::Type => {
                    if allowance.is_exhausted() {
                        return Ok(None);
                    }
                    allowance.spend_one();
                    if let Some(rates) = &mut self.rates {
                        rates.admit(false)?;
                    }
                    let type_byte = input.get_u8();
                    self.state = if type_byte & 0x80 == 0 {
                        State::Text { searched: 0 }
                    } else {
                        State::Length { type_byte, len: 0, bytes: 0 }
                    };
                }
                State::Text { searched } => match memchr(0xff, &input[*searched..]) {
                    Some(at) => {
                        let end = *searched + at;
                        check_text_size(end, settings)?;
                        let text = input.split_to(end).freeze();
                        input.advance(1);
                        self.state = State::Type;
                        let limit = settings.max_message_size;
                        // Both drafts require that invalid UTF-8 is replaced.
                        let text = Utf8Bytes::replacing_invalid(&text, limit)
                            .ok_or_else(|| ProtocolError::message_over(limit))?;
                        return Ok(Some(Event::Message(Message::Text(text))));
                    }
                    None => {
                        *searched = input.len();
                        check_text_size(input.len(), settings)?;
                        return Ok(None);
                    }
                },
                State::Length { type_byte, len, bytes } => {
                    let byte = input.get_u8();
                    *len = len.saturating_mul(128).saturating_add(u64::from(byte & 0x7f));
                    *bytes += 1;
                    let limit = settings.max_frame_size;
                    if *len > limit as u64 {
                        return Err(ProtocolError::FrameTooBig { size: *len, limit });
                    }
                    if byte & 0x80 == 0 {
                        // FF 00 starts the closing handshake (draft-hixie-76 §5.3), which draft 75
                        // does not have.
                        if self.version == Version::Hixie76 && *type_byte == 0xff && *len == 0 && *bytes == 1 {
                            return Ok(Some(Event::Close(CloseCode::NO_STATUS.into())));
                        }
                        self.state = match *len as usize {
                            0 => State::Type,
                            left => State::Skip { left },
                        };
                    } else if *bytes == MAX_LENGTH_BYTES {
                        return Err(ProtocolError::LengthUnterminated);
                    }
                }
                State::Skip { left } => {
                    let skipped = (*left).min(input.len());
                    input.advance(skipped);
                    *left -= skipped;
                    if *left == 0 {
                        self.state = State::Type;
                    }
                }
            }
        }
        Ok(None)
    }

    /// Returns whether a complete text is buffered.
    pub(crate) fn has_frame(&self, input: &[u8]) -> bool {
        match self.state {
            State::Type => memchr(0xff, input).is_some(),
            State::Text { searched } => memchr(0xff, &input[searched..]).is_some(),
            State::Length { .. } | State::Skip { .. } => false,
        }
    }

    /// Returns how the connection ended if the transport ended without a closing frame. Draft 75
    /// has no closing frame, so there the end of the transport between two frames is a regular
    /// close.
    pub(crate) fn end_of_transport(&self) -> CloseFrame {
        match (self.version, &self.state) {
            (Version::Hixie75, State::Type) => CloseCode::NO_STATUS.into(),
            _ => CloseCode::ABNORMAL.into(),
        }
    }

    /// Writes a text. UTF-8 never contains the byte FF, so no escaping is needed.
    pub(crate) fn send(&self, text: Utf8Bytes, output: &mut Output) {
        output.put_message(&[0x00], Message::Text(text));
        output.put_slice(&[0xff]);
    }

    /// Writes the closing frame, if the draft has one (draft-hixie-76 §5.3).
    pub(crate) fn close(&self, output: &mut Output) {
        if self.has_closing_handshake() {
            output.put_slice(&[0xff, 0x00]);
        }
    }

    /// Returns the error for messages and control frames that these drafts do not have.
    pub(crate) fn not_supported(&self) -> SendError {
        SendError::NotSupported { version: self.version.as_str() }
    }

    /// Returns whether there is a closing handshake. Draft 75 closes the transport instead.
    pub(crate) fn has_closing_handshake(&self) -> bool {
        self.version == Version::Hixie76
    }
}

/// Checks the size of a text. The reported size is always the limit plus one, so that it does not
/// depend on how much was received at once.
fn check_text_size(size: usize, settings: &Settings) -> Result<(), ProtocolError> {
    let (frame, message) = (settings.max_frame_size, settings.max_message_size);
    if size <= frame.min(message) {
        Ok(())
    } else if frame <= message {
        Err(ProtocolError::FrameTooBig { size: frame as u64 + 1, limit: frame })
    } else {
        Err(ProtocolError::message_over(message))
    }
}
