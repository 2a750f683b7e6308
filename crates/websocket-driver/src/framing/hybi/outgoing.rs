//! Messages that are sent in fragments (RFC 6455 §5.4).

use bytes::{Bytes, BytesMut};
use websocket_driver_extensions::{ExtensionError, ExtensionFault, PieceFlush, Rsv};

use super::frame::{MAX_HEADER, encode_fragment};
use super::{Hybi, Opcode};
use crate::config::settings::Settings;
use crate::error::SendError;
use crate::framing::output::Output;
use crate::message::utf8::Validator;
use crate::message::{Message, MessageKind};

/// A message that is not finished.
#[derive(Debug)]
pub(crate) struct Outgoing {
    kind: MessageKind,
    may_compress: bool,
    utf8: Validator,
    /// Chosen when the first piece is sent. `None` also for a message of a single piece, which is
    /// sent like any other.
    coding: Option<Coding>,
    has_frame: bool,
    /// The number of bytes accepted.
    len: usize,
}

#[derive(Debug)]
enum Coding {
    /// Each piece is the payload of a frame.
    Plain,
    /// An extension encodes each piece, and sets these bits on the first frame.
    Pieces(Rsv),
    /// An extension encodes only whole messages.
    Gathered(BytesMut),
}

impl Outgoing {
    pub(crate) fn new(kind: MessageKind, may_compress: bool) -> Self {
        Self { kind, may_compress, utf8: Validator::default(), coding: None, has_frame: false, len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns the memory of buffered data in bytes.
    pub(crate) fn memory(&self) -> usize {
        match &self.coding {
            Some(Coding::Gathered(data)) => data.capacity(),
            _ => 0,
        }
    }

    fn message(&self, data: Bytes) -> Result<Message, SendError> {
        Ok(match self.kind {
            MessageKind::Text => Message::Text(data.try_into().map_err(|_| SendError::InvalidUtf8)?),
            MessageKind::Binary => Message::Binary(data),
        })
    }
}

impl Hybi {
    /// Sends a piece of a message. After an error, no part of the piece was sent, unless an
    /// extension has failed.
    pub(crate) fn send_piece(
        &mut self,
        outgoing: &mut Outgoing,
        piece: Bytes,
        flush: PieceFlush,
        settings: &Settings,
        output: &mut Output,
    ) -> Result<(), SendError> {
        let is_last = flush == PieceFlush::Finish;
        let len = piece.len();
        if outgoing.kind == MessageKind::Text {
            let mut utf8 = outgoing.utf8.clone();
            utf8.feed(&piece).map_err(|_| SendError::InvalidUtf8)?;
            if is_last && !utf8.is_complete() {
                return Err(SendError::InvalidUtf8);
            }
            outgoing.utf8 = utf8;
        }
        if outgoing.coding.is_none() {
            if is_last {
                self.send(outgoing.message(piece)?, outgoing.may_compress, settings, output)?;
                outgoing.len += len;
                return Ok(());
            }
            if len == 0 {
                return Ok(());
            }
        }
        let mut coding = outgoing.coding.take().unwrap_or_else(|| self.begin_coding(outgoing));
        let sent = self.send_coded(outgoing, &mut coding, piece, flush, settings, output);
        outgoing.coding = Some(coding);
        sent?;
        outgoing.len += len;
        Ok(())
    }

    fn begin_coding(&mut self, outgoing: &Outgoing) -> Coding {
        let Some(pipeline) = &mut self.pipeline else {
            return Coding::Plain;
        };
        match pipeline.streaming() {
            Some(mut stage) => {
                let rsv = stage.begin_encoding(outgoing.kind == MessageKind::Text, outgoing.may_compress);
                rsv.map_or(Coding::Plain, Coding::Pieces)
            }
            None => Coding::Gathered(BytesMut::new()),
        }
    }

    fn send_coded(
        &mut self,
        outgoing: &mut Outgoing,
        coding: &mut Coding,
        piece: Bytes,
        flush: PieceFlush,
        settings: &Settings,
        output: &mut Output,
    ) -> Result<(), SendError> {
        let is_last = flush == PieceFlush::Finish;
        let (rsv, payload) = match coding {
            Coding::Plain => (Rsv::NONE, piece),
            Coding::Pieces(rsv) => {
                let mut encoded = BytesMut::new();
                if let Some(mut stage) = self.pipeline.as_mut().and_then(|pipeline| pipeline.streaming()) {
                    stage.encode_piece(&piece, flush, &mut encoded)?;
                }
                (*rsv, encoded.freeze())
            }
            Coding::Gathered(data) => {
                let limit = settings.max_message_size;
                if piece.len() > limit.saturating_sub(data.len()) {
                    let names = self.pipeline.iter().flat_map(|pipeline| pipeline.names()).collect::<Vec<_>>();
                    let fault = ExtensionFault::MessageTooBig { limit };
                    return Err(ExtensionError::new(names.join(", "), fault).into());
                }
                data.extend_from_slice(&piece);
                if !is_last {
                    return Ok(());
                }
                let message = outgoing.message(std::mem::take(data).freeze())?;
                return self.send(message, outgoing.may_compress, settings, output);
            }
        };
        if payload.is_empty() && !is_last {
            return Ok(());
        }
        let (opcode, rsv) = match (outgoing.has_frame, outgoing.kind) {
            (true, _) => (Opcode::Continuation, Rsv::NONE),
            (false, MessageKind::Text) => (Opcode::Text, rsv),
            (false, MessageKind::Binary) => (Opcode::Binary, rsv),
        };
        outgoing.has_frame = true;
        let mask = self.mask(settings);
        let mut buf = [0; MAX_HEADER];
        let header = encode_fragment(is_last, opcode, rsv, payload.len(), mask, &mut buf);
        match mask {
            None => output.put_message(header, Message::Binary(payload)),
            Some(mask) => output.put_masked(header, Message::Binary(payload), mask),
        }
        Ok(())
    }
}
