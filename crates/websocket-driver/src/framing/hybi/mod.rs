//! The framing of RFC 6455 §5, which the hybi drafts since 07 share.

mod assembler;
pub(crate) mod control;
mod frame;
pub(crate) mod outgoing;
mod receiving;
pub(crate) mod sending;
mod stream;
mod streaming;

use std::num::NonZeroU16;
use std::time::Instant;

use bytes::BytesMut;
use websocket_driver_extensions::Pipeline;

use self::assembler::Assembler;
pub(crate) use self::frame::MAX_CONTROL;
pub(crate) use self::frame::Opcode;
use self::frame::{Header, NO_MASK};
use crate::config::settings::Settings;
use crate::error::ProtocolError;
use crate::event::Event;
use crate::framing::allowance::Allowance;
use crate::framing::fast::fragments::Fragments;
use crate::framing::fast::frame::FastFrame;
use crate::framing::rate::Rates;
use crate::message::utf8::Validator;

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
            match self.finish_frame(header, seen, input, settings) {
                Ok(None) => {}
                event => return event,
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

    /// Returns the negotiated extensions, if any.
    pub(crate) fn pipeline(&mut self) -> Option<&mut Pipeline> {
        self.pipeline.as_deref_mut()
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        if let Some(rates) = &mut self.rates {
            rates.tick(now);
        }
    }

    pub(crate) fn is_client(&self) -> bool {
        self.role == Role::Client
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
}
