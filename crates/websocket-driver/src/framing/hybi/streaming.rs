//! Messages that are returned in pieces as they arrive.
//!
//! A piece of the payload is taken off the input, and unmasked. It becomes the next chunk, unless
//! an extension has to decode it. In that case it yields any number of chunks of at most 64 KiB
//! before more input is taken. Extensions that cannot decode pieces receive the message when it is
//! complete, within the limit for whole messages.

use std::ops::ControlFlow;

use bytes::{Bytes, BytesMut};
use websocket_driver_extensions::Progress;

use super::assembler::Assembler;
use super::frame::reported;
use super::receiving::decode;
use super::stream::Stream;
use super::{Current, Hybi};
use crate::config::settings::Settings;
use crate::error::ProtocolError;
use crate::event::Event;
use crate::framing::allowance::Allowance;
use crate::framing::mask::apply_mask;
use crate::message::utf8::Validator;
use crate::message::{MessageChunk, MessageKind};

/// The maximum size of a decoded chunk in bytes.
const DECODED: usize = 64 * 1024;

/// The number of decoded bytes that count as one frame, so that a peer cannot cause much work with
/// few bytes.
const DECODED_PER_FRAME: usize = 4 * 1024;

impl Hybi {
    /// Sets how messages are received, including the current one unless a part of it was returned.
    pub(crate) fn stream_messages(&mut self, limit: Option<u64>, settings: &Settings) {
        match (&mut self.message, limit) {
            (Some(message), limit) => {
                let size = message.len();
                match (&mut message.stream, limit) {
                    (Some(stream), _) if stream.is_announced => stream.next = limit,
                    (Some(stream), Some(limit)) => (stream.limit, stream.next) = (limit, Some(limit)),
                    // A header that was already read may exceed the limits of whole messages.
                    (Some(stream), None)
                        if self.current.as_ref().is_some_and(|current| {
                            let len = current.header.len as u64;
                            len > settings.max_frame_size as u64 || size + len > settings.max_message_size as u64
                        }) =>
                    {
                        stream.next = None
                    }
                    (Some(_), None) if !message.is_begun => self.message = None,
                    (Some(stream), None) => {
                        let piece = std::mem::take(&mut stream.piece);
                        message.data = piece.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
                        message.stream = None;
                    }
                    (None, Some(limit)) => {
                        let piece = std::mem::take(&mut message.data).freeze();
                        message.stream = Some(Stream { piece, received: size, ..Stream::new(limit) });
                    }
                    (None, None) => {}
                }
            }
            (None, Some(limit)) => self.message = Some(Box::new(Assembler::awaited(Some(Stream::new(limit))))),
            (None, None) => {}
        }
    }

    /// Skips the rest of a message that is returned in pieces.
    pub(crate) fn skip_message(&mut self) {
        if let Some(stream) = self.stream_mut()
            && stream.is_announced
        {
            stream.is_skipped = true;
        }
    }

    #[inline]
    pub(super) fn is_streaming(&self) -> bool {
        self.message.as_ref().is_some_and(|message| message.stream.is_some())
    }

    fn stream_mut(&mut self) -> Option<&mut Stream> {
        self.message.as_mut()?.stream.as_mut()
    }

    /// Same as [`poll`](Self::poll), while messages are received in pieces.
    // Baseline: client-receive-1k.
    #[cold]
    pub(super) fn poll_stream(
        &mut self,
        input: &mut BytesMut,
        settings: &Settings,
        allowance: &mut Allowance,
    ) -> Result<Option<Event>, ProtocolError> {
        while self.is_streaming() {
            if allowance.is_exhausted() {
                return Ok(None);
            }
            if let ControlFlow::Break(event) = self.poll_piece(input, settings, allowance)? {
                return Ok(event);
            }
        }
        self.poll(input, settings, allowance)
    }

    /// Performs one step of receiving a message in pieces. Breaks with an event, or with `None` if
    /// there is not enough input.
    fn poll_piece(
        &mut self,
        input: &mut BytesMut,
        settings: &Settings,
        allowance: &mut Allowance,
    ) -> Result<ControlFlow<Option<Event>>, ProtocolError> {
        let Some(message) = &self.message else {
            return Ok(ControlFlow::Continue(()));
        };
        if message.is_begun && message.stream.as_ref().is_some_and(Stream::is_due) {
            return self.next_chunk(settings, allowance);
        }
        let Some(Current { mut header, seen }) = self.next_header(input, settings)? else {
            return Ok(ControlFlow::Break(None));
        };
        let len = input.len().min(header.len);
        let is_whole = len == header.len;
        if header.opcode.is_control() {
            if !is_whole {
                self.current = Some(Current { header, seen });
                return Ok(ControlFlow::Break(None));
            }
            allowance.spend_one();
            let event = self.finish_frame(header, seen, input, settings)?;
            return Ok(event.map_or(ControlFlow::Continue(()), |event| ControlFlow::Break(Some(event))));
        }
        match &mut self.message {
            Some(message) if !message.is_begun => message.begin(header),
            _ if len == 0 && !is_whole => {
                self.current = Some(Current { header, seen });
                return Ok(ControlFlow::Break(None));
            }
            _ => {}
        }
        let is_text = self.is_text(header);
        let is_opaque = self.is_opaque(header);
        let mut piece = input.split_to(len);
        apply_mask(&mut piece[seen..], header.mask, seen);
        let is_complete = is_whole && header.fin;
        if is_text && !settings.replace_invalid_utf8 {
            check_piece(&mut self.utf8, &piece[seen..], is_complete)?;
        }
        if is_whole {
            allowance.spend_one();
        } else {
            header.len -= len;
            header.mask.rotate_left(len % 4);
            self.current = Some(Current { header, seen: 0 });
        }
        if let Some(stream) = self.stream_mut() {
            stream.received = stream.received.saturating_add(len as u64);
            stream.piece = piece.freeze();
            stream.is_complete = is_complete;
            // Already checked with the header, unless that was read under a larger limit.
            if !is_opaque && stream.received > stream.limit {
                return Err(ProtocolError::MessageTooBig { size: stream.received, limit: reported(stream.limit) });
            }
        }
        // In the same step, so that `stream_messages` cannot make the message whole again in
        // between.
        self.next_chunk(settings, allowance)
    }

    /// Returns the received bytes as a chunk, and ends the message if they are the last.
    fn next_chunk(
        &mut self,
        settings: &Settings,
        allowance: &mut Allowance,
    ) -> Result<ControlFlow<Option<Event>>, ProtocolError> {
        let Self { message: Some(message), pipeline, utf8, .. } = self else {
            return Ok(ControlFlow::Continue(()));
        };
        let Some(stream) = &mut message.stream else {
            return Ok(ControlFlow::Continue(()));
        };
        let is_text = message.is_text;
        let is_opaque = pipeline.as_ref().is_some_and(|pipeline| pipeline.transforms(message.rsv));
        let mut data = std::mem::take(&mut stream.piece);
        stream.has_more = false;
        if is_opaque && let Some(pipeline) = pipeline {
            if let Some(mut stage) = pipeline.streaming() {
                let mut output = BytesMut::with_capacity(data.len().saturating_mul(4).clamp(64, DECODED));
                let progress = stage.decode_piece(&mut data, stream.is_complete, &mut output, DECODED)?;
                stream.has_more = progress == Progress::OutputFull;
                stream.piece = data;
                data = output.freeze();
                allowance.spend((data.len() / DECODED_PER_FRAME) as u32);
            } else {
                message.data.extend_from_slice(&data);
                let limit = stream.limit.min(settings.max_message_size as u64);
                if message.data.len() as u64 > limit.saturating_add(limit / 8 + 1024) {
                    let size = message.data.len() as u64;
                    return Err(ProtocolError::MessageTooBig { size, limit: reported(limit) });
                }
                data = Bytes::new();
                if stream.is_complete {
                    let whole = std::mem::take(&mut message.data).freeze();
                    data = decode(pipeline, is_text, message.rsv, whole, reported(limit), settings)?;
                }
            }
            if is_text && !settings.replace_invalid_utf8 {
                check_piece(utf8, &data, stream.is_final())?;
            }
        }
        let is_final = stream.is_final();
        if is_text && settings.replace_invalid_utf8 {
            data = stream.replacer.feed(&data, is_final);
        }
        stream.produced = stream.produced.saturating_add(data.len() as u64);
        if stream.produced > stream.limit {
            return Err(ProtocolError::MessageTooBig { size: stream.produced, limit: reported(stream.limit) });
        }
        let is_new = !std::mem::replace(&mut stream.is_announced, true);
        let is_event = !stream.is_skipped && (is_new || is_final || !data.is_empty());
        if is_final {
            *utf8 = Validator::default();
            let next = stream.next;
            self.message = next.map(|limit| Box::new(Assembler::awaited(Some(Stream::new(limit)))));
        }
        if !is_event {
            return Ok(ControlFlow::Continue(()));
        }
        let kind = if is_text { MessageKind::Text } else { MessageKind::Binary };
        Ok(ControlFlow::Break(Some(Event::Chunk(MessageChunk { kind, data, is_final }))))
    }
}

/// Checks a piece of a text, which must not end within a character (RFC 6455 §8.1).
fn check_piece(utf8: &mut Validator, piece: &[u8], is_last: bool) -> Result<(), ProtocolError> {
    utf8.feed(piece).map_err(|_| ProtocolError::InvalidUtf8)?;
    if is_last && !utf8.is_complete() { Err(ProtocolError::InvalidUtf8) } else { Ok(()) }
}
