//! Messages that are transformed piece by piece, so that no side holds all of one.

use bytes::{Bytes, BytesMut};

use crate::error::{ExtensionError, ExtensionFault};
use crate::message::Rsv;

/// The part of a [`Session`](crate::Session) that transforms messages piece by piece. It is optional: without it, messages that
/// are sent or received in pieces are gathered, up to the limit of whole messages.
///
/// The session transforms one message at a time in each direction, in pieces or whole.
pub trait StreamingSession {
    /// Decodes a piece of an incoming message that the extension has encoded. It advances `input` by what it has used, and
    /// appends to `output`, which it fills to no more than `limit` bytes, whatever the input.
    ///
    /// `is_last` is set if `input` ends the message. After [`Progress::OutputFull`] it is called again with what is left of
    /// `input`.
    ///
    /// # Errors
    ///
    /// The reason why the message cannot be decoded. The connection fails.
    fn decode_piece(
        &mut self,
        input: &mut Bytes,
        is_last: bool,
        output: &mut BytesMut,
        limit: usize,
    ) -> Result<Progress, ExtensionFault>;

    /// Begins an outgoing message. Returns the bits of its first frame, or `None` to leave the message unchanged.
    /// `may_compress` is that of [`Message`](crate::Message::may_compress).
    fn begin_encoding(&mut self, is_text: bool, may_compress: bool) -> Option<Rsv>;

    /// Encodes a piece of the message that was begun, and appends to `output` what can be sent by now.
    ///
    /// # Errors
    ///
    /// The reason why the message cannot be encoded. The connection is closed, as the message cannot be completed.
    fn encode_piece(&mut self, piece: &[u8], flush: PieceFlush, output: &mut BytesMut) -> Result<(), ExtensionFault>;
}

/// The outcome of [`StreamingSession::decode_piece`].
// Exhaustive: either there may be more output, or there is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The input is used up, and everything that could be decoded is in the output.
    Done,
    /// The output is full, and there may be more to decode.
    OutputFull,
}

/// What an encoder does with the output that it has.
// Exhaustive, as an encoder has to handle all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceFlush {
    /// It may keep the output for later.
    None,
    /// It outputs as much as the peer needs to decode all of the message so far.
    Sync,
    /// The message ends with this piece.
    Finish,
}

/// The only session of a [`Pipeline`](crate::Pipeline), which transforms messages piece by piece.
#[expect(missing_debug_implementations, reason = "it is a borrow of a session for one call")]
pub struct StreamingStage<'a> {
    pub(crate) extension: &'a str,
    pub(crate) session: &'a mut dyn StreamingSession,
}

impl StreamingStage<'_> {
    /// Decodes a piece, as [`StreamingSession::decode_piece`] does.
    ///
    /// # Errors
    ///
    /// That of the session.
    pub fn decode_piece(
        &mut self,
        input: &mut Bytes,
        is_last: bool,
        output: &mut BytesMut,
        limit: usize,
    ) -> Result<Progress, ExtensionError> {
        let decoded = self.session.decode_piece(input, is_last, output, limit);
        decoded.map_err(|reason| ExtensionError::new(self.extension, reason))
    }

    /// Begins an outgoing message, as [`StreamingSession::begin_encoding`] does.
    pub fn begin_encoding(&mut self, is_text: bool, may_compress: bool) -> Option<Rsv> {
        self.session.begin_encoding(is_text, may_compress)
    }

    /// Encodes a piece, as [`StreamingSession::encode_piece`] does.
    ///
    /// # Errors
    ///
    /// That of the session.
    pub fn encode_piece(
        &mut self,
        piece: &[u8],
        flush: PieceFlush,
        output: &mut BytesMut,
    ) -> Result<(), ExtensionError> {
        let encoded = self.session.encode_piece(piece, flush, output);
        encoded.map_err(|reason| ExtensionError::new(self.extension, reason))
    }
}
