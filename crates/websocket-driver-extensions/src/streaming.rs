//! Transformation of messages in pieces, so that neither side holds a whole message.

use bytes::{Bytes, BytesMut};

use crate::error::{ExtensionError, ExtensionFault};
use crate::message::Rsv;

/// The part of a [`Session`](crate::Session) that transforms messages piece by piece. It is
/// optional: without it, messages that are sent or received in pieces are buffered, up to the limit
/// of whole messages.
///
/// The session transforms one message at a time in each direction, in pieces or whole.
pub trait StreamingSession {
    /// Decodes a piece of an incoming message that the extension of the peer has encoded. Advances
    /// `input` past the consumed bytes, and appends the decoded bytes to `output`, which must not
    /// exceed `limit` bytes regardless of the input.
    ///
    /// `is_last` is set if the message ends with `input`. After [`Progress::OutputFull`], this is
    /// called again with the rest of `input`.
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

    /// Starts an outgoing message. Returns the reserved bits of its first frame, or `None` to leave
    /// the message unchanged. For `may_compress`, see
    /// [`Message::may_compress`](crate::Message::may_compress).
    fn begin_encoding(&mut self, is_text: bool, may_compress: bool) -> Option<Rsv>;

    /// Encodes a piece of the message that was started, and appends the bytes that can be sent to
    /// `output`.
    ///
    /// # Errors
    ///
    /// The reason why the message cannot be encoded. The connection is closed, as the message
    /// cannot be completed.
    fn encode_piece(&mut self, piece: &[u8], flush: PieceFlush, output: &mut BytesMut) -> Result<(), ExtensionFault>;
}

/// The result of [`StreamingSession::decode_piece`].
// Exhaustive: either there may be more output, or there is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The input is consumed, and everything that could be decoded is in the output.
    Done,
    /// The output is full, and there may be more to decode.
    OutputFull,
}

/// The handling of the output that an encoder has produced.
// Exhaustive, as an encoder has to handle all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceFlush {
    /// The encoder may buffer output.
    None,
    /// The encoder outputs everything that the peer needs to decode the message so far.
    Sync,
    /// The message ends with this piece.
    Finish,
}

/// The session of a [`Pipeline`](crate::Pipeline) with a single extension, which transforms
/// messages piece by piece.
#[expect(missing_debug_implementations, reason = "it is a borrow of a session for one call")]
pub struct StreamingStage<'a> {
    pub(crate) extension: &'a str,
    pub(crate) session: &'a mut dyn StreamingSession,
}

impl StreamingStage<'_> {
    /// Decodes a piece, see [`StreamingSession::decode_piece`].
    ///
    /// # Errors
    ///
    /// The error of the session.
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

    /// Starts an outgoing message, see [`StreamingSession::begin_encoding`].
    pub fn begin_encoding(&mut self, is_text: bool, may_compress: bool) -> Option<Rsv> {
        self.session.begin_encoding(is_text, may_compress)
    }

    /// Encodes a piece, see [`StreamingSession::encode_piece`].
    ///
    /// # Errors
    ///
    /// The error of the session.
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
