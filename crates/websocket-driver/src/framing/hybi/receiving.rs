//! Frames and whole messages that are received (RFC 6455 §5.2 to §5.6).

use bytes::{Buf, Bytes, BytesMut};
use websocket_driver_extensions::{self as extensions, ExtensionFault, Pipeline, Rsv};

use super::assembler::Assembler;
use super::control::close_event;
use super::frame::{Expect, Header, Opcode};
use super::{Current, Hybi, Role};
use crate::config::settings::Settings;
use crate::error::ProtocolError;
use crate::event::Event;
use crate::framing::mask::apply_mask;
use crate::message::Message;
use crate::message::utf8::{Utf8Bytes, Validator};

impl Hybi {
    /// Returns the current frame, after taking its header off the input if necessary.
    pub(super) fn next_header(
        &mut self,
        input: &mut BytesMut,
        settings: &Settings,
    ) -> Result<Option<Current>, ProtocolError> {
        if self.current.is_some() {
            return Ok(self.current.take());
        }
        let Some((header, len)) = Header::decode(input, self.expect(settings))? else {
            return Ok(None);
        };
        let is_fragment = !header.fin || header.opcode == Opcode::Continuation;
        if is_fragment && self.message.as_ref().map_or(0, |message| message.fragments()) >= settings.max_fragments {
            return Err(ProtocolError::TooManyFragments { limit: settings.max_fragments });
        }
        if let Some(rates) = &mut self.rates {
            rates.admit(header.opcode.is_control())?;
        }
        input.advance(len);
        Ok(Some(Current { header, seen: 0 }))
    }

    fn expect(&self, settings: &Settings) -> Expect {
        let message = self.message.as_deref();
        let mut expect = Expect {
            continuation: false,
            is_opaque: false,
            masked: self.role == Role::Server,
            rsv: Rsv::NONE,
            max_frame_size: settings.max_frame_size as u64,
            message_size: 0,
            max_message_size: settings.max_message_size as u64,
        };
        if let Some(pipeline) = &self.pipeline {
            expect.is_opaque = pipeline.transforms(message.map_or(Rsv::NONE, |message| message.rsv));
            expect.rsv = pipeline.rsv();
        }
        if let Some(message) = message {
            expect.continuation = message.is_begun;
            expect.message_size = message.len();
            if let Some(stream) = &message.stream {
                (expect.max_frame_size, expect.max_message_size) = (stream.limit, stream.limit);
            }
        }
        expect
    }

    /// Unmasks and checks the available part of an incomplete text frame, so that it fails at its
    /// first invalid byte (RFC 6455 §8.1). Other payloads are unmasked when they are complete.
    pub(super) fn look_ahead(
        &mut self,
        header: Header,
        seen: usize,
        input: &mut BytesMut,
        settings: &Settings,
    ) -> Result<usize, ProtocolError> {
        if !self.is_text(header) {
            return Ok(0);
        }
        apply_mask(&mut input[seen..], header.mask, seen);
        check_text(&mut self.utf8, &input[seen..], settings)?;
        Ok(input.len())
    }

    pub(super) fn finish_frame(
        &mut self,
        header: Header,
        seen: usize,
        input: &mut BytesMut,
        settings: &Settings,
    ) -> Result<Option<Event>, ProtocolError> {
        if !header.fin || header.opcode == Opcode::Continuation {
            return self.finish_fragment(header, seen, input, settings);
        }
        let is_opaque = self.is_opaque(header);
        let mut payload = input.split_to(header.len);
        apply_mask(&mut payload[seen..], header.mask, seen);
        match header.opcode {
            Opcode::Ping => Ok(Some(Event::Ping(payload.freeze()))),
            Opcode::Pong => Ok(Some(Event::Pong(payload.freeze()))),
            Opcode::Close => close_event(&payload).map(Some),
            Opcode::Binary if !is_opaque => Ok(Some(Event::Message(Message::Binary(payload.freeze())))),
            Opcode::Text if !is_opaque && seen == 0 => text_event(payload.freeze(), settings).map(Some),
            opcode => {
                let is_text = opcode == Opcode::Text;
                // The text was received in several parts.
                if is_text && !is_opaque {
                    check_text(&mut self.utf8, &payload[seen..], settings)?;
                }
                self.finish_message(is_text, header.rsv, payload.freeze(), settings).map(Some)
            }
        }
    }

    fn finish_fragment(
        &mut self,
        header: Header,
        seen: usize,
        input: &mut BytesMut,
        settings: &Settings,
    ) -> Result<Option<Event>, ProtocolError> {
        let is_text = self.is_text(header);
        let message = self.message.get_or_insert_with(|| Box::new(Assembler::new(header)));
        // Copied first, so that the payload is unmasked in the copy and not in the read buffer.
        let fragment = message.push(&input[..header.len]);
        apply_mask(&mut fragment[seen..], header.mask, seen);
        if is_text {
            check_text(&mut self.utf8, &fragment[seen..], settings)?;
        }
        input.advance(header.len);
        match self.message.take_if(|_| header.fin) {
            Some(message) => {
                let (is_text, rsv) = (message.is_text, message.rsv);
                self.finish_message(is_text, rsv, message.finish().freeze(), settings).map(Some)
            }
            None => Ok(None),
        }
    }

    /// Returns whether the frame contains text that no extension has to decode.
    pub(super) fn is_text(&self, header: Header) -> bool {
        let is_text = match header.opcode {
            Opcode::Text => true,
            Opcode::Continuation => self.message.as_ref().is_some_and(|message| message.is_text),
            _ => false,
        };
        is_text && !self.is_opaque(header)
    }

    /// Returns whether the frame belongs to a message that an extension has to decode.
    #[inline]
    pub(super) fn is_opaque(&self, header: Header) -> bool {
        let Some(pipeline) = &self.pipeline else {
            return false;
        };
        let rsv = match (header.opcode, &self.message) {
            (Opcode::Continuation, Some(message)) => message.rsv,
            _ => header.rsv,
        };
        pipeline.transforms(rsv)
    }

    fn finish_message(
        &mut self,
        is_text: bool,
        rsv: Rsv,
        mut payload: Bytes,
        settings: &Settings,
    ) -> Result<Event, ProtocolError> {
        if let Some(pipeline) = &mut self.pipeline
            && pipeline.transforms(rsv)
        {
            payload = decode(pipeline, is_text, rsv, payload, settings.max_message_size, settings)?;
        } else if !self.utf8.is_complete() {
            // A text must not end within a character.
            replaced(&mut self.utf8, settings)?;
        }
        if is_text { text_event(payload, settings) } else { Ok(Event::Message(Message::Binary(payload))) }
    }
}

/// Decodes a message with the extensions. A long text is checked while it is decoded, so that it
/// fails early like unencoded text.
pub(super) fn decode(
    pipeline: &mut Pipeline,
    is_text: bool,
    rsv: Rsv,
    data: Bytes,
    limit: usize,
    settings: &Settings,
) -> Result<Bytes, ProtocolError> {
    let mut utf8 = Validator::default();
    let mut inspect = |piece: &[u8]| match is_text {
        true => check_text(&mut utf8, piece, settings).map_err(|_| ExtensionFault::InvalidUtf8),
        false => Ok(()),
    };
    let mut message = extensions::Message::new(is_text, data);
    message.rsv = rsv;
    pipeline.decode(&mut message, limit, &mut inspect)?;
    Ok(message.data)
}

/// Checks a piece of a text (RFC 6455 §8.1), unless invalid bytes are to be replaced later.
fn check_text(utf8: &mut Validator, piece: &[u8], settings: &Settings) -> Result<(), ProtocolError> {
    match utf8.feed(piece) {
        Ok(()) => Ok(()),
        Err(_) => replaced(utf8, settings),
    }
}

/// Restarts the validation after invalid UTF-8, or returns an error if it is not to be replaced.
fn replaced(utf8: &mut Validator, settings: &Settings) -> Result<(), ProtocolError> {
    *utf8 = Validator::default();
    if settings.replace_invalid_utf8 { Ok(()) } else { Err(ProtocolError::InvalidUtf8) }
}

fn text_event(payload: Bytes, settings: &Settings) -> Result<Event, ProtocolError> {
    if !settings.replace_invalid_utf8 {
        return match Utf8Bytes::try_from(payload) {
            Ok(text) => Ok(Event::Message(Message::Text(text))),
            Err(_) => Err(ProtocolError::InvalidUtf8),
        };
    }
    let limit = settings.max_message_size;
    let text = Utf8Bytes::replacing_invalid(&payload, limit).ok_or_else(|| ProtocolError::message_over(limit))?;
    Ok(Event::Message(Message::Text(text)))
}
