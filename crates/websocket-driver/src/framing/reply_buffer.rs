//! Replies that are encoded without access to their driver. `driver/replies.rs` moves them to its
//! output.

use std::fmt;

use bytes::{Buf, BytesMut};

use crate::error::SendError;
use crate::framing::hybi::control::check_close;
use crate::framing::hybi::{Opcode, sending};
use crate::framing::output::Output;
use crate::message::close::{CloseCode, CloseFrame};
use crate::message::prepared::PreparedMessage;
use crate::message::{Message, MessageRef};
use crate::version::Version;

/// Messages that are encoded without their [`Driver`](crate::Driver) and handed over to it
/// afterwards.
///
/// A runtime that shares a driver behind a lock can run a handler without holding it: the messages
/// that the handler receives are in a [`Batch`](crate::Batch), and those that it sends are
/// collected here. Call [`Driver::begin_replies`](crate::Driver::begin_replies) before the handler
/// runs and [`Driver::commit`](crate::Driver::commit) after it.
///
/// On a server without extensions, an observer and rate limits, the frames are written here, and
/// `commit` swaps buffers. Otherwise the messages are stored, and
/// `commit` sends them.
///
/// ```
/// use websocket_driver::{Batch, Driver, ReplyBuffer, SendError};
///
/// fn echo(driver: &mut Driver) -> Result<(), SendError> {
///     let (mut batch, mut replies) = (Batch::default(), ReplyBuffer::default());
///     driver.lend(&mut batch);
///     driver.begin_replies(&mut replies);
///     // From here on, the driver can be used elsewhere.
///     batch.visit(|message| replies.send_borrowed(message).is_ok() && !replies.is_full());
///     driver.take_back(&mut batch);
///     driver.commit(&mut replies)
/// }
/// # let _ = echo;
/// ```
#[derive(Default)]
pub struct ReplyBuffer {
    pub(crate) frames: Output,
    /// The size from which on no more frames are written; 0 unless replies are written as frames.
    room: usize,
    pub(crate) deferred: Vec<Reply>,
    /// The size of the deferred replies, and the size from which on no more are accepted.
    deferred_size: usize,
    deferred_room: usize,
    pub(crate) close: Option<Box<CloseFrame>>,
    is_closed: bool,
    /// Set if the version has only text messages.
    text_only: Option<Version>,
}

/// A message that the driver will encode.
#[derive(Debug)]
pub(crate) enum Reply {
    Message(Message),
    Prepared(PreparedMessage),
}

/// What happens with the replies to a connection.
pub(crate) enum Target {
    /// They are written as frames.
    Frames,
    /// They are deferred: stored, and encoded by the driver.
    Driver,
    /// They are refused.
    Closed,
}

impl Reply {
    pub(crate) fn message(&self) -> &Message {
        match self {
            Self::Message(message) => message,
            Self::Prepared(prepared) => prepared.message(),
        }
    }
}

impl ReplyBuffer {
    /// Sends a message.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed), [`OutputFull`](SendError::OutputFull), also before
    /// [`Driver::begin_replies`](crate::Driver::begin_replies), and
    /// [`NotSupported`](SendError::NotSupported). The message is dropped.
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        let message = message.into();
        if !self.has_room_for_frame() {
            return self.defer(Reply::Message(message));
        }
        if let Message::Text(text) = &message
            && let Some((text, len)) = text.as_short()
        {
            self.frames.put_text(Opcode::Text as u8, text, len);
        } else {
            sending::put_plain(message, &mut self.frames);
        }
        Ok(())
    }

    /// Sends a borrowed message by copying it.
    ///
    /// # Errors
    ///
    /// Same as [`send`](Self::send).
    #[inline]
    pub fn send_borrowed<'a>(&mut self, message: impl Into<MessageRef<'a>>) -> Result<(), SendError> {
        let message = message.into();
        let (opcode, payload) = match message {
            MessageRef::Text(text) => (Opcode::Text, text.as_bytes()),
            MessageRef::Binary(bytes) => (Opcode::Binary, bytes),
        };
        let is_put = self.has_room_for_frame() && self.frames.put_copy(opcode as u8, payload);
        if is_put { Ok(()) } else { self.send(message) }
    }

    /// Sends a message that is shared with other connections.
    ///
    /// # Errors
    ///
    /// Same as [`send`](Self::send).
    pub fn send_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), SendError> {
        if !self.has_room_for_frame() {
            return self.defer(Reply::Prepared(prepared.clone()));
        }
        self.frames.put_prepared(sending::plain_frame(prepared));
        Ok(())
    }

    /// Starts the closing handshake after the messages sent so far, like
    /// [`Driver::start_close`](crate::Driver::start_close). A second call does nothing.
    ///
    /// # Errors
    ///
    /// [`InvalidCloseCode`](SendError::InvalidCloseCode) and
    /// [`ReasonTooLong`](SendError::ReasonTooLong).
    pub fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        let close = CloseFrame { code, reason: reason.into() };
        check_close(&close)?;
        if !self.is_closed {
            self.close = Some(Box::new(close));
            self.set_target(Target::Closed, 0);
        }
        Ok(())
    }

    /// Returns whether no further message is accepted before the replies are committed.
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        !self.has_room_for_frame() && self.deferred_size >= self.deferred_room
    }

    /// Returns whether there is nothing to commit.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.frames.has_remaining() && self.deferred.is_empty() && self.close.is_none()
    }

    /// Provides a buffer for frames. It is only used while there is none.
    #[inline]
    pub fn lend(&mut self, buffer: BytesMut) {
        self.frames.lend(buffer);
    }

    /// Returns the current buffer, which may be another one than that provided, for reuse. Empty
    /// while it contains frames.
    #[inline]
    pub fn reclaim(&mut self) -> BytesMut {
        self.frames.reclaim()
    }

    /// Returns whether there is a buffer for frames.
    #[inline]
    #[must_use]
    pub fn has_buffer(&self) -> bool {
        self.frames.has_buffer()
    }

    /// Sets what happens with further replies, and how many bytes are accepted.
    #[inline]
    pub(crate) fn set_target(&mut self, target: Target, room: usize) {
        (self.room, self.deferred_room, self.is_closed) = match target {
            Target::Frames => (room, 0, false),
            Target::Driver => (0, room, false),
            Target::Closed => (0, 0, true),
        };
    }

    pub(crate) fn set_text_only(&mut self, version: Option<Version>) {
        self.text_only = version;
    }

    /// Takes the deferred replies and the close, and refuses further messages.
    #[inline]
    pub(crate) fn finish(&mut self) -> (Vec<Reply>, Option<Box<CloseFrame>>) {
        (self.room, self.deferred_room, self.deferred_size, self.is_closed) = (0, 0, 0, false);
        (std::mem::take(&mut self.deferred), self.close.take())
    }

    #[inline]
    fn has_room_for_frame(&self) -> bool {
        self.frames.remaining() < self.room
    }

    fn defer(&mut self, reply: Reply) -> Result<(), SendError> {
        if self.is_closed {
            return Err(SendError::Closed);
        }
        if self.is_full() {
            return Err(SendError::OutputFull);
        }
        if let Some(version) = self.text_only
            && matches!(reply.message(), Message::Binary(_))
        {
            return Err(SendError::NotSupported { version: version.as_str() });
        }
        self.deferred_size += size_of::<Reply>() + reply.message().len();
        self.deferred.push(reply);
        Ok(())
    }
}

/// Omits the messages, which may be confidential.
impl fmt::Debug for ReplyBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyBuffer")
            .field("frames", &self.frames)
            .field("deferred", &self.deferred.len())
            .field("close", &self.close)
            .finish_non_exhaustive()
    }
}
