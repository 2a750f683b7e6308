//! Frames and messages of an open connection.

pub(crate) mod allowance;
mod copy;
pub(crate) mod fast;
mod hixie;
pub(crate) mod hybi;
pub(crate) mod mask;
pub(crate) mod output;
mod rate;
pub(crate) mod reply_buffer;

use std::time::Instant;

use bytes::BytesMut;
use websocket_driver_extensions::Pipeline;

use crate::config::settings::Settings;
use crate::error::{ProtocolError, SendError};
use crate::event::Event;
use crate::framing::allowance::Allowance;
use crate::framing::hixie::Hixie;
use crate::framing::hybi::{Hybi, Role};
use crate::framing::output::Output;
use crate::framing::rate::Rates;
use crate::message::Message;
use crate::message::close::{CloseCode, CloseFrame};
use crate::message::prepared::PreparedMessage;
use crate::message::prepared_batch::PreparedBatch;
use crate::version::Version;

/// The framing of an open connection. An enum, so that nothing above needs to be generic.
#[derive(Debug)]
pub(crate) enum Protocol {
    Hybi(Hybi),
    Hixie(Hixie),
}

impl Protocol {
    pub(crate) fn new(version: Version, role: Role, pipeline: Option<Box<Pipeline>>, settings: &Settings) -> Self {
        if version.is_hixie() {
            Self::Hixie(Hixie::new(version, Rates::new(settings)))
        } else {
            Self::Hybi(Hybi::new(role, pipeline, settings))
        }
    }

    /// Returns the number of bytes held, not counting input and output.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::Hybi(hybi) => hybi.memory(),
            Self::Hixie(_) => 0,
        }
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        match self {
            Self::Hybi(hybi) => hybi.tick(now),
            Self::Hixie(hixie) => hixie.tick(now),
        }
    }

    /// Parses until there is an event, the input is used up, or the allowance is. Each frame
    /// deducts one from the allowance.
    pub(crate) fn poll(
        &mut self,
        input: &mut BytesMut,
        settings: &Settings,
        allowance: &mut Allowance,
    ) -> Result<Option<Event>, ProtocolError> {
        match self {
            Self::Hybi(hybi) => hybi.poll(input, settings, allowance),
            Self::Hixie(hixie) => hixie.poll(input, settings, allowance),
        }
    }

    #[inline]
    pub(crate) fn has_frame(&mut self, input: &mut BytesMut, settings: &Settings) -> bool {
        match self {
            Self::Hybi(hybi) => hybi.has_frame(input, settings),
            Self::Hixie(hixie) => hixie.has_frame(input),
        }
    }

    /// Returns whether the header of the next frame was consumed from the input.
    #[inline]
    pub(crate) fn has_header(&self) -> bool {
        matches!(self, Self::Hybi(hybi) if hybi.has_header())
    }

    /// See [`Hybi::fast_limit`].
    #[inline]
    pub(crate) fn fast_limit(&self) -> Option<u16> {
        match self {
            Self::Hybi(hybi) => hybi.fast_limit(),
            Self::Hixie(_) => None,
        }
    }

    pub(crate) fn missing(&self, input: &BytesMut) -> usize {
        match self {
            Self::Hybi(hybi) => hybi.missing(input),
            Self::Hixie(_) => 0,
        }
    }

    #[inline]
    pub(crate) fn send(
        &mut self,
        message: Message,
        may_compress: bool,
        settings: &Settings,
        output: &mut Output,
    ) -> Result<(), SendError> {
        match (self, message) {
            (Self::Hybi(hybi), message) => hybi.send(message, may_compress, settings, output),
            (Self::Hixie(hixie), Message::Text(text)) => {
                hixie.send(text, output);
                Ok(())
            }
            (Self::Hixie(hixie), Message::Binary(_)) => Err(hixie.not_supported()),
        }
    }

    pub(crate) fn send_prepared(
        &mut self,
        prepared: &PreparedMessage,
        may_compress: bool,
        settings: &Settings,
        output: &mut Output,
    ) -> Result<(), SendError> {
        match self {
            Self::Hybi(hybi) => hybi.send_prepared(prepared, may_compress, settings, output),
            Self::Hixie(_) => self.send(prepared.message().clone(), may_compress, settings, output),
        }
    }

    /// Writes messages in one piece, if that can be done and the last one begins before `limit`
    /// bytes.
    pub(crate) fn send_joined(
        &mut self,
        batch: &PreparedBatch,
        may_compress: bool,
        limit: usize,
        output: &mut Output,
    ) -> bool {
        match self {
            Self::Hybi(hybi) => hybi.send_joined(batch, may_compress, limit, output),
            Self::Hixie(_) => false,
        }
    }

    pub(crate) fn ping(&self, data: &[u8], settings: &Settings, output: &mut Output) -> Result<(), SendError> {
        match self {
            Self::Hybi(hybi) => hybi.ping(data, settings, output),
            Self::Hixie(hixie) => Err(hixie.not_supported()),
        }
    }

    pub(crate) fn pong(&self, data: &[u8], settings: &Settings, output: &mut Output) -> Result<(), SendError> {
        match self {
            Self::Hybi(hybi) => hybi.pong(data, settings, output),
            Self::Hixie(hixie) => Err(hixie.not_supported()),
        }
    }

    /// Writes a close frame. Its code and reason must be valid.
    pub(crate) fn close(&self, close: &CloseFrame, settings: &Settings, output: &mut Output) {
        match self {
            Self::Hybi(hybi) => hybi.close(close, settings, output),
            Self::Hixie(hixie) => hixie.close(output),
        }
    }

    /// Returns whether this side is the client.
    pub(crate) fn is_client(&self) -> bool {
        matches!(self, Self::Hybi(hybi) if hybi.is_client())
    }

    /// Returns whether the peer answers a close frame.
    pub(crate) fn has_closing_handshake(&self) -> bool {
        match self {
            Self::Hybi(_) => true,
            Self::Hixie(hixie) => hixie.has_closing_handshake(),
        }
    }

    /// Returns how the connection ended if the transport ended first.
    pub(crate) fn end_of_transport(&self) -> CloseFrame {
        match self {
            Self::Hybi(_) => CloseCode::ABNORMAL.into(),
            Self::Hixie(hixie) => hixie.end_of_transport(),
        }
    }
}
