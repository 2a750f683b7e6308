//! Messages that are sent and received in pieces.

use bytes::{Buf, Bytes};
use websocket_driver_extensions::PieceFlush;

use super::unfinished::{SendState, Unfinished};
use super::{Driver, State};
use crate::error::SendError;
use crate::error::cause::CloseCause;
use crate::framing::Protocol;
use crate::framing::reply_buffer::{Reply, ReplyBuffer};
use crate::message::close::{CloseCode, CloseFrame};
use crate::message::{Message, MessageKind};

impl Driver {
    /// Sets whether messages are received in pieces. Applies to the message that is being received,
    /// unless a part of it was already returned, and to all later ones. Default: `None`, to receive
    /// messages whole. Has no effect before [`Event::Open`](crate::Event::Open).
    ///
    /// With `Some(limit)`, a message of up to `limit` bytes is returned as
    /// [`Event::Chunk`](crate::Event::Chunk)s while it arrives. Only the input and one chunk are
    /// held in memory. A chunk contains the bytes that were received at once, or up to 64 KiB of
    /// decompressed data. [`Config::max_message_size`](crate::Config::max_message_size),
    /// `max_frame_size` and `max_fragments` do not apply. A longer message closes the connection
    /// with 1009 as soon as its length is known to exceed the limit, and text that is not UTF-8
    /// closes it with 1007 at the first invalid byte.
    ///
    /// If several extensions are active, or one that does not implement
    /// [`StreamingSession`](crate::extensions::StreamingSession), the messages that they encode are
    /// buffered until they are complete, and `max_message_size` applies to them as well. With the
    /// hixie drafts, messages are always whole, and returned as
    /// [`Event::Message`](crate::Event::Message).
    ///
    /// ```
    /// use websocket_driver::{CompletedHandshake, Config, Driver, Event};
    ///
    /// let mut driver = Driver::after_handshake(CompletedHandshake::new(), Config::client());
    /// assert_eq!(driver.poll_event(), Some(Event::Open));
    /// driver.stream_messages(Some(1 << 30));
    /// driver.receive(&b"\x82\x7f\0\0\0\0\x3f\xff\xff\xffthe beginning"[..]);
    /// let Some(Event::Chunk(chunk)) = driver.poll_event() else { panic!("no chunk") };
    /// assert_eq!((&chunk.data[..], chunk.is_final), (&b"the beginning"[..], false));
    /// ```
    pub fn stream_messages(&mut self, limit: Option<u64>) {
        if let State::Open(Protocol::Hybi(hybi)) = &mut self.state {
            hybi.stream_messages(limit, &self.settings);
        }
    }

    /// Skips the rest of the message whose chunks are being received: no more of its chunks are
    /// returned. The rest is still read and checked as it arrives, up to the limit. Does nothing
    /// between messages.
    pub fn skip_message(&mut self) {
        if let State::Open(Protocol::Hybi(hybi)) = &mut self.state {
            hybi.skip_message();
        }
    }

    /// Starts a message that is sent in fragments (RFC 6455 §5.4) with
    /// [`send_fragment`](Self::send_fragment), and completed with
    /// [`finish_message`](Self::finish_message). Until then, no other message can be sent, but
    /// pings, pongs and a close can.
    ///
    /// ```
    /// use bytes::Buf;
    /// use websocket_driver::{CompletedHandshake, Config, Driver, MessageKind};
    ///
    /// let mut driver = Driver::after_handshake(CompletedHandshake::new(), Config::server());
    /// driver.poll_event();
    /// driver.start_message(MessageKind::Text)?;
    /// driver.send_fragment("one, ")?;
    /// driver.send_fragment("two")?;
    /// driver.send_ping("")?;
    /// driver.finish_message("")?;
    /// let output = driver.output();
    /// assert_eq!(output.copy_to_bytes(output.remaining()), &b"\x01\x05one, \0\x03two\x89\0\x80\0"[..]);
    /// # Ok::<(), websocket_driver::SendError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed), [`MessageUnfinished`](SendError::MessageUnfinished),
    /// [`NotOpen`](SendError::NotOpen) before [`Event::Open`](crate::Event::Open), and
    /// [`NotSupported`](SendError::NotSupported) in the hixie drafts.
    pub fn start_message(&mut self, kind: MessageKind) -> Result<(), SendError> {
        match (&self.state, self.send_state) {
            (State::ServerHandshake(_) | State::ClientHandshake(_), _) => Err(SendError::NotOpen),
            (State::Closed, _) | (_, SendState::Closed) => Err(SendError::Closed),
            (State::Open(Protocol::Hixie(hixie)), _) => Err(hixie.not_supported()),
            (_, SendState::Unfinished) => Err(SendError::MessageUnfinished),
            (State::Open(Protocol::Hybi(_)), SendState::Open) => {
                self.extras.set_unfinished(Unfinished::new(kind, self.may_compress));
                self.send_state = SendState::Unfinished;
                Ok(())
            }
        }
    }

    /// Sends the next fragment of the message. It becomes one frame, unless it is empty, or an
    /// extension buffers it to compress it together with later fragments. Text may be split within
    /// a character.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed), [`NotOpen`](SendError::NotOpen) before
    /// [`Event::Open`](crate::Event::Open), [`OutputFull`](SendError::OutputFull),
    /// [`MessageNotStarted`](SendError::MessageNotStarted) and
    /// [`InvalidUtf8`](SendError::InvalidUtf8); no part of the fragment is sent.
    /// [`Extension`](SendError::Extension) if the message has to be buffered for an extension and
    /// exceeds [`Config::max_message_size`](crate::Config::max_message_size), or if an extension
    /// fails, which starts closing the connection with 1011.
    pub fn send_fragment(&mut self, data: impl Into<Bytes>) -> Result<(), SendError> {
        if self.is_output_full() && self.send_state == SendState::Unfinished {
            return Err(SendError::OutputFull);
        }
        self.send_piece(data.into(), PieceFlush::None)
    }

    /// Sends the data that an extension has buffered of the message so far. Does nothing if there
    /// is no such data, or the extension needs the whole message.
    ///
    /// # Errors
    ///
    /// The errors of [`send_fragment`](Self::send_fragment) except `OutputFull`.
    pub fn flush_message(&mut self) -> Result<(), SendError> {
        self.send_piece(Bytes::new(), PieceFlush::Sync)
    }

    /// Sends the last fragment, which may be empty, even if the output is full. If it is the only
    /// one, the message is sent like those of [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// The errors of [`send_fragment`](Self::send_fragment) except `OutputFull`. The message is
    /// then still unfinished.
    pub fn finish_message(&mut self, data: impl Into<Bytes>) -> Result<(), SendError> {
        self.send_piece(data.into(), PieceFlush::Finish)?;
        self.send_state = SendState::Open;
        let Some(mut finished) = self.extras.take_unfinished() else {
            return Ok(());
        };
        self.count_sent(1, finished.message.len());
        self.output.append(&mut finished.frames);
        for reply in finished.replies {
            if let Err(error) = self.commit_reply(reply) {
                self.close_undeliverable(error);
                return Ok(());
            }
        }
        if let Some(close) = finished.close {
            self.begin_to_close((*close).clone(), CloseCause::Local(*close));
        }
        Ok(())
    }

    /// Returns whether a message was [started](Self::start_message) and is not finished, so that no
    /// other message can be sent.
    #[inline]
    #[must_use]
    pub fn has_unfinished_message(&self) -> bool {
        self.send_state == SendState::Unfinished
    }

    /// Returns whether replies are accepted: fewer than
    /// [`Config::max_output`](crate::Config::max_output) bytes are waiting to be written, and fewer
    /// than that are waiting for an unfinished message to be finished.
    #[must_use]
    pub fn has_room_for_replies(&self) -> bool {
        !self.is_output_full() && self.extras.waiting() < self.settings.max_output
    }

    fn send_piece(&mut self, piece: Bytes, flush: PieceFlush) -> Result<(), SendError> {
        match self.send_state {
            SendState::Unfinished => {}
            SendState::Open if matches!(self.state, State::Open(_)) => return Err(SendError::MessageNotStarted),
            SendState::Open if !matches!(self.state, State::Closed) => return Err(SendError::NotOpen),
            SendState::Open | SendState::Closed => return Err(SendError::Closed),
        }
        let (State::Open(Protocol::Hybi(hybi)), Some(unfinished)) = (&mut self.state, self.extras.unfinished()) else {
            return Err(SendError::Closed);
        };
        let settings = &self.settings;
        let sent = hybi.send_piece(&mut unfinished.message, piece, flush, settings, &mut self.output);
        if let Err(SendError::Extension(error)) = &sent
            && error.close_code() == u16::from(CloseCode::INTERNAL_ERROR)
        {
            // The encoder has lost its state, so the message cannot be completed.
            let close = CloseFrame { code: CloseCode::INTERNAL_ERROR, reason: "message could not be encoded".into() };
            self.begin_to_close(close.clone(), CloseCause::Local(close));
        }
        sent
    }

    /// Holds replies that were created while a message was unfinished, to be sent after it.
    pub(super) fn hold_replies(&mut self, replies: &mut ReplyBuffer) {
        if let Some(unfinished) = self.extras.unfinished() {
            unfinished.waiting += replies.frames.remaining();
            unfinished.frames.append(&mut replies.frames);
            let (deferred, close) = replies.finish();
            deferred.into_iter().for_each(|reply| unfinished.hold(reply));
            unfinished.close = close.or_else(|| unfinished.close.take());
        }
    }

    /// Holds a message for which room was reserved before another one was started, to be sent after
    /// that one.
    pub(super) fn hold_message(&mut self, message: Message) {
        if let Some(unfinished) = self.extras.unfinished() {
            unfinished.hold(Reply::Message(message));
        }
    }
}
