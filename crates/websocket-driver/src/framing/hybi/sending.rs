//! Messages that are sent in one frame (RFC 6455 §5.6).

use std::convert::Infallible;

use bytes::{Buf, Bytes};
use websocket_driver_extensions::{self as extensions, Encoding, Pipeline, Rsv};

use super::frame::{self, MAX_HEADER, Opcode};
use super::{Hybi, Role};
use crate::config::settings::Settings;
use crate::error::SendError;
use crate::framing::output::{OWN_SEGMENT, Output};
use crate::message::Message;
use crate::message::prepared::{PreparedMessage, SharedFrames};
use crate::message::prepared_batch::PreparedBatch;

impl Hybi {
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
        output.put_prepared(self.prepared_frame(prepared, encoding, may_compress)?);
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
                output.put_prepared(joined.frames);
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
    ) -> Result<SharedFrames, SendError> {
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
    #[inline]
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
}

/// Writes a message as one frame that is neither masked nor encoded by an extension.
pub(crate) fn put_plain(message: Message, output: &mut Output) {
    output.put_message(frame::encode(opcode(&message), Rsv::NONE, message.len(), None, &mut [0; MAX_HEADER]), message);
}

/// Returns the frame of a prepared message that is neither masked nor encoded by an extension.
pub(crate) fn plain_frame(prepared: &PreparedMessage) -> SharedFrames {
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
