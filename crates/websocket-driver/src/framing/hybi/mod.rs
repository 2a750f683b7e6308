//! The framing of RFC 6455 §5, which the hybi drafts since 07 share.

mod assembler;
mod frame;
pub(crate) mod outgoing;
mod stream;
mod streaming;

use std::convert::Infallible;
use std::num::NonZeroU16;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use websocket_driver_extensions::{self as extensions, Encoding, ExtensionFault, Pipeline, Rsv};

use self::assembler::Assembler;
pub(crate) use self::frame::MAX_CONTROL;
pub(crate) use self::frame::Opcode;
use self::frame::{Expect, Header, MAX_HEADER, NO_MASK};
use crate::config::settings::Settings;
use crate::error::{ProtocolError, SendError};
use crate::event::Event;
use crate::framing::allowance::Allowance;
use crate::framing::fast::fragments::Fragments;
use crate::framing::fast::frame::FastFrame;
use crate::framing::mask::apply_mask;
use crate::framing::output::{OWN_SEGMENT, Output};
use crate::framing::rate::Rates;
use crate::message::Message;
use crate::message::close::{CloseCode, CloseFrame};
use crate::message::prepared::PreparedMessage;
use crate::message::prepared_batch::PreparedBatch;
use crate::message::utf8::{Utf8Bytes, Validator};

/// The maximum length of a close reason in bytes (RFC 6455 §5.5.1).
const MAX_REASON: usize = MAX_CONTROL - 2;

/// The maximum length of a control frame in bytes: two bytes of header, the mask and the payload.
const MAX_CONTROL_FRAME: usize = MAX_CONTROL + 6;

/// One side of the framing.
#[derive(Debug)]
pub(crate) struct Hybi {
    /// The frame whose header was taken off the input and whose payload is incomplete.
    current: Option<Current>,
    /// A message that is received in several fragments, or is to be returned in pieces. Boxed, as
    /// it is part of every connection, but rarely used.
    message: Option<Box<Assembler>>,
    /// Validates a text message that is received in several parts.
    utf8: Validator,
    /// The negotiated extensions, if any.
    pipeline: Option<Box<Pipeline>>,
    rates: Option<Box<Rates>>,
    role: Role,
    /// The maximum length of a message that the fast path may receive, if messages are sent and
    /// received unchanged. `None` if the fast path does not apply, or a message must be empty.
    plain: Option<NonZeroU16>,
}

/// The side of the connection. A client masks its frames, a server does not (RFC 6455 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

#[derive(Debug)]
struct Current {
    header: Header,
    /// The number of payload bytes in the input that were unmasked and checked.
    seen: usize,
}

impl Hybi {
    pub(crate) fn new(role: Role, pipeline: Option<Box<Pipeline>>, settings: &Settings) -> Self {
        let rates = Rates::new(settings);
        let is_plain = role == Role::Server
            && pipeline.is_none()
            && rates.is_none()
            && settings.observer.is_none()
            && !settings.replace_invalid_utf8;
        let limit = settings.max_frame_size.min(settings.max_message_size);
        let plain = NonZeroU16::new(u16::try_from(limit).unwrap_or(FastFrame::MAX)).filter(|_| is_plain);
        Self { current: None, message: None, utf8: Validator::default(), pipeline, rates, role, plain }
    }

    /// See [`Protocol::poll`](crate::framing::Protocol::poll). A close is returned as
    /// [`Event::Close`].
    pub(crate) fn poll(
        &mut self,
        input: &mut BytesMut,
        settings: &Settings,
        allowance: &mut Allowance,
    ) -> Result<Option<Event>, ProtocolError> {
        if self.is_streaming() {
            return self.poll_stream(input, settings, allowance);
        }
        while !allowance.is_exhausted() {
            let Some(Current { header, seen }) = self.next_header(input, settings)? else {
                return Ok(None);
            };
            if input.len() < header.len {
                let seen = self.look_ahead(header, seen, input, settings)?;
                self.current = Some(Current { header, seen });
                return Ok(None);
            }
            allowance.spend_one();
            if let Some(event) = self.finish_frame(header, seen, input, settings)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// Returns whether a complete frame was received, or an invalid one, whose error `poll`
    /// returns.
    #[inline]
    pub(crate) fn has_frame(&mut self, input: &mut BytesMut, settings: &Settings) -> bool {
        self.fast_limit()
            .is_some_and(|limit| FastFrame::peek(input, limit).is_some() || Fragments::has_first(input, limit))
            || self.has_any_frame(input, settings)
    }

    fn has_any_frame(&mut self, input: &mut BytesMut, settings: &Settings) -> bool {
        let current = match self.next_header(input, settings) {
            Ok(Some(current)) => current,
            Ok(None) => return false,
            Err(_) => return true,
        };
        let is_piece = self.is_streaming() && !current.header.opcode.is_control() && !input.is_empty();
        let is_whole = input.len() >= current.header.len;
        self.current = Some(current);
        is_whole || is_piece
    }

    /// Returns the maximum length of a message that the fast path may receive, if it applies now.
    #[inline]
    pub(crate) fn fast_limit(&self) -> Option<u16> {
        self.plain.filter(|_| self.current.is_none() && self.message.is_none()).map(NonZeroU16::get)
    }

    /// Returns whether the header of the next frame was taken off the input.
    #[inline]
    pub(crate) fn has_header(&self) -> bool {
        self.current.is_some()
    }

    /// Returns the number of bytes that are missing from the current frame, or 0 if that is not
    /// known.
    pub(crate) fn missing(&self, input: &BytesMut) -> usize {
        // A message that is returned in pieces needs no room for a complete frame.
        let current =
            self.current.as_ref().filter(|current| !self.is_streaming() || current.header.opcode.is_control());
        current.map_or(0, |current| current.header.len.saturating_sub(input.len()))
    }

    /// Returns the memory of the incomplete message and the extensions in bytes.
    pub(crate) fn memory(&self) -> usize {
        let message = self.message.as_ref().map_or(0, |message| message.memory());
        message + self.pipeline.as_ref().map_or(0, |pipeline| pipeline.memory())
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        if let Some(rates) = &mut self.rates {
            rates.tick(now);
        }
    }

    /// Writes a message as one frame.
    #[inline]
    pub(crate) fn send(
        &mut self,
        message: Message,
        may_compress: bool,
        settings: &Settings,
        output: &mut Output,
    ) -> Result<(), SendError> {
        let opcode = opcode(&message);
        let (rsv, message) = match &mut self.pipeline {
            None => (Rsv::NONE, message),
            Some(pipeline) => encode(pipeline, message, may_compress)?,
        };
        let buf = &mut [0; MAX_HEADER];
        match self.mask(settings) {
            None => output.put_message(frame::encode(opcode, rsv, message.len(), None, buf), message),
            Some(mask) => output.put_masked(frame::encode(opcode, rsv, message.len(), Some(mask), buf), message, mask),
        }
        Ok(())
    }

    /// Writes a prepared message, sharing the encoded frame with other connections if possible.
    pub(crate) fn send_prepared(
        &mut self,
        prepared: &PreparedMessage,
        may_compress: bool,
        settings: &Settings,
        output: &mut Output,
    ) -> Result<(), SendError> {
        let Some(encoding) = self.shared_encoding(may_compress) else {
            return self.send(prepared.message().clone(), may_compress, settings, output);
        };
        output.put_frame(self.prepared_frame(prepared, encoding, may_compress)?);
        Ok(())
    }

    /// Writes the joined frames that other connections share, if that is possible and the last one
    /// starts before the output has `limit` bytes. Returns whether it did.
    pub(crate) fn send_joined(
        &mut self,
        batch: &PreparedBatch,
        may_compress: bool,
        limit: usize,
        output: &mut Output,
    ) -> bool {
        let Some(encoding) = self.shared_encoding(may_compress) else { return false };
        let joined = batch.joined(&encoding, |prepared| self.prepared_frame(prepared, encoding.clone(), may_compress));
        match joined {
            Ok(joined) if output.remaining() + joined.before_last < limit => {
                output.put_joined(joined.frames);
                true
            }
            _ => false,
        }
    }

    /// Returns the encoding of messages, which is `Some(None)` if they are not encoded. Returns
    /// `None` if other connections do not write the same bytes.
    fn shared_encoding(&self, may_compress: bool) -> Option<Option<Encoding>> {
        if self.role != Role::Server {
            return None;
        }
        match &self.pipeline {
            Some(pipeline) if may_compress => pipeline.encoding().map(Some),
            Some(pipeline) => pipeline.encoding().map(|_| None),
            None => Some(None),
        }
    }

    fn prepared_frame(
        &mut self,
        prepared: &PreparedMessage,
        encoding: Option<Encoding>,
        may_compress: bool,
    ) -> Result<Bytes, SendError> {
        let pipeline = self.pipeline.as_deref_mut().filter(|_| encoding.is_some());
        prepared.frame(encoding, |message| {
            let opcode = opcode(&message);
            let (rsv, message) = match pipeline {
                Some(pipeline) => encode(pipeline, message, may_compress)?,
                None => (Rsv::NONE, message),
            };
            Ok(frame_of(rsv, opcode, &message))
        })
    }

    /// Returns whether messages are sent unchanged, for example by [`put_plain`].
    #[inline]
    pub(crate) fn sends_plain(&self) -> bool {
        self.plain.is_some()
    }

    /// Writes a short message, which is always copied, if it is sent unchanged.
    #[inline(always)]
    pub(crate) fn send_short(&self, message: &Message, output: &mut Output) -> bool {
        if let Message::Text(text) = message
            && let Some((text, len)) = text.as_short()
            && self.plain.is_some()
        {
            output.put_text(Opcode::Text as u8, text, len);
            return true;
        }
        message.len() < OWN_SEGMENT && self.send_copy(opcode(message), message.as_bytes(), output)
    }

    /// Writes a copy of a message, if it is not too long and sent unchanged.
    #[inline]
    pub(crate) fn send_copy(&self, opcode: Opcode, payload: &[u8], output: &mut Output) -> bool {
        self.plain.is_some() && output.put_copy(opcode as u8, payload)
    }

    pub(crate) fn ping(&self, data: &[u8], settings: &Settings, output: &mut Output) -> Result<(), SendError> {
        check_control(data)?;
        output.put_control(self.control(Opcode::Ping, data, settings, &mut [0; MAX_CONTROL_FRAME]));
        Ok(())
    }

    pub(crate) fn pong(&self, data: &[u8], settings: &Settings, output: &mut Output) -> Result<(), SendError> {
        check_control(data)?;
        output.put_control(self.control(Opcode::Pong, data, settings, &mut [0; MAX_CONTROL_FRAME]));
        Ok(())
    }

    /// Writes a close frame, without a body for [`CloseCode::NO_STATUS`].
    pub(crate) fn close(&self, close: &CloseFrame, settings: &Settings, output: &mut Output) {
        let mut body = [0; MAX_CONTROL];
        let mut len = 0;
        if close.code != CloseCode::NO_STATUS {
            len = MAX_CONTROL.min(2 + close.reason.len());
            body[..2].copy_from_slice(&u16::from(close.code).to_be_bytes());
            body[2..len].copy_from_slice(&close.reason.as_bytes()[..len - 2]);
        }
        // After everything that was sent before (RFC 6455 §5.5.1).
        output.put_slice(self.control(Opcode::Close, &body[..len], settings, &mut [0; MAX_CONTROL_FRAME]));
    }

    pub(crate) fn is_client(&self) -> bool {
        self.role == Role::Client
    }

    /// Encodes a control frame.
    fn control<'a>(
        &self,
        opcode: Opcode,
        data: &[u8],
        settings: &Settings,
        buf: &'a mut [u8; MAX_CONTROL_FRAME],
    ) -> &'a [u8] {
        let mask = self.mask(settings);
        let mut header = [0; MAX_HEADER];
        let header = frame::encode(opcode, Rsv::NONE, data.len(), mask, &mut header);
        let (start, len) = (header.len(), header.len() + data.len());
        buf[..start].copy_from_slice(header);
        buf[start..len].copy_from_slice(data);
        apply_mask(&mut buf[start..len], mask.unwrap_or(NO_MASK), 0);
        &buf[..len]
    }

    /// Returns a new mask for a frame, if this side masks its frames (RFC 6455 §5.3).
    #[inline]
    fn mask(&self, settings: &Settings) -> Option<[u8; 4]> {
        match self.role {
            Role::Server => None,
            Role::Client => {
                let mut mask = NO_MASK;
                (settings.random)(&mut mask);
                Some(mask)
            }
        }
    }

    /// Returns the current frame, after taking its header off the input if necessary.
    fn next_header(&mut self, input: &mut BytesMut, settings: &Settings) -> Result<Option<Current>, ProtocolError> {
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
            is_opaque: self
                .pipeline
                .as_ref()
                .is_some_and(|pipeline| pipeline.transforms(message.map_or(Rsv::NONE, |message| message.rsv))),
            masked: self.role == Role::Server,
            rsv: self.pipeline.as_ref().map_or(Rsv::NONE, |pipeline| pipeline.rsv()),
            max_frame_size: settings.max_frame_size as u64,
            message_size: 0,
            max_message_size: settings.max_message_size as u64,
        };
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
    fn look_ahead(
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

    fn finish_frame(
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
    fn is_text(&self, header: Header) -> bool {
        let is_text = match header.opcode {
            Opcode::Text => true,
            Opcode::Continuation => self.message.as_ref().is_some_and(|message| message.is_text),
            _ => false,
        };
        is_text && !self.is_opaque(header)
    }

    /// Returns whether the frame belongs to a message that an extension has to decode.
    #[inline]
    fn is_opaque(&self, header: Header) -> bool {
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
fn decode(
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

/// Writes a message as one frame that is neither masked nor encoded by an extension.
pub(crate) fn put_plain(message: Message, output: &mut Output) {
    output.put_message(frame::encode(opcode(&message), Rsv::NONE, message.len(), None, &mut [0; MAX_HEADER]), message);
}

/// Returns the frame of a prepared message that is neither masked nor encoded by an extension.
pub(crate) fn plain_frame(prepared: &PreparedMessage) -> Bytes {
    let Ok(frame) =
        prepared.frame(None, |message| Ok::<_, Infallible>(frame_of(Rsv::NONE, opcode(&message), &message)));
    frame
}

fn frame_of(rsv: Rsv, opcode: Opcode, message: &Message) -> Bytes {
    let mut buf = [0; MAX_HEADER];
    let header = frame::encode(opcode, rsv, message.len(), None, &mut buf);
    [header, message.as_bytes()].concat().into()
}

fn opcode(message: &Message) -> Opcode {
    match message {
        Message::Text(_) => Opcode::Text,
        Message::Binary(_) => Opcode::Binary,
    }
}

/// Encodes a message with the extensions. The result is binary whatever the kind of the message.
fn encode(pipeline: &mut Pipeline, message: Message, may_compress: bool) -> Result<(Rsv, Message), SendError> {
    let is_text = matches!(message, Message::Text(_));
    let mut message = extensions::Message::new(is_text, message.into_bytes());
    message.may_compress = may_compress;
    pipeline.encode(&mut message)?;
    Ok((message.rsv, Message::Binary(message.data)))
}

/// Checks a piece of a text (RFC 6455 §8.1), unless invalid bytes are to be replaced later.
fn check_text(utf8: &mut Validator, piece: &[u8], settings: &Settings) -> Result<(), ProtocolError> {
    match utf8.feed(piece) {
        Ok(()) => Ok(()),
        Err(_) => replaced(utf8, settings),
    }
}

/// Restarts the validation after invalid UTF-8, or returns an error if it is not to be replaced.
#[cold]
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
    let text = match Utf8Bytes::try_from(payload.clone()) {
        Ok(text) => Some(text),
        Err(_) => Utf8Bytes::replacing_invalid(&payload, limit),
    };
    let text = text.ok_or(ProtocolError::MessageTooBig { size: limit as u64 + 1, limit })?;
    Ok(Event::Message(Message::Text(text)))
}

/// Parses the body of a close frame (RFC 6455 §5.5.1, §7.4).
fn close_event(body: &[u8]) -> Result<Event, ProtocolError> {
    let close = match *body {
        [] => CloseFrame::from(CloseCode::NO_STATUS),
        [_] => return Err(ProtocolError::TruncatedCloseCode),
        [high, low, ref reason @ ..] => {
            let code = CloseCode::from(u16::from_be_bytes([high, low]));
            if !code.is_sendable() {
                return Err(ProtocolError::InvalidCloseCode(code));
            }
            let reason = std::str::from_utf8(reason).map_err(|_| ProtocolError::InvalidCloseReason)?;
            CloseFrame { code, reason: reason.into() }
        }
    };
    Ok(Event::Close(close))
}

/// Checks whether a close can be sent (RFC 6455 §5.5.1, §7.4). [`CloseCode::NO_STATUS`] is allowed
/// without a reason.
///
/// # Errors
///
/// [`SendError::InvalidCloseCode`] and [`SendError::ReasonTooLong`].
pub fn check_close(close: &CloseFrame) -> Result<(), SendError> {
    if close.code == CloseCode::NO_STATUS && close.reason.is_empty() {
        return Ok(());
    }
    if !close.code.is_sendable() {
        return Err(SendError::InvalidCloseCode(close.code));
    }
    if close.reason.len() > MAX_REASON { Err(SendError::ReasonTooLong) } else { Ok(()) }
}

/// Checks the length of a control frame's payload (RFC 6455 §5.5).
fn check_control(data: &[u8]) -> Result<(), SendError> {
    if data.len() > MAX_CONTROL { Err(SendError::ControlTooLong) } else { Ok(()) }
}
