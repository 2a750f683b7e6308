//! Replies that are encoded apart from their driver. How they get into its output is in `driver/replies.rs`.

use std::fmt;

use bytes::{Buf, BytesMut};

use crate::error::SendError;
use crate::framing::hybi::{self, Opcode};
use crate::framing::output::Output;
use crate::message::close::{CloseCode, CloseFrame};
use crate::message::prepared::PreparedMessage;
use crate::message::{Message, MessageRef};
use crate::version::Version;

/// Messages that are encoded without their [`Driver`](crate::Driver) and handed over to it afterwards.
///
/// A runtime that shares a driver behind a lock can run a handler without holding it: the messages that the handler receives
/// are in a [`Batch`](crate::Batch), and those that it sends are gathered here. Call
/// [`Driver::begin_replies`](crate::Driver::begin_replies) before the handler runs and
/// [`Driver::commit`](crate::Driver::commit) after it.
///
/// If a message is sent as it is, as by a server without extensions and without an observer, its frame is written here, and
/// `commit` exchanges buffers. Otherwise the message is kept, and sent by `commit`.
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
    /// The size from which on no more frames are taken; 0 unless messages are written as frames.
    room: usize,
    pub(crate) kept: Vec<Reply>,
    /// The size of what is kept, and the one from which on no more is kept.
    kept_size: usize,
    kept_room: usize,
    pub(crate) close: Option<Box<CloseFrame>>,
    is_closed: bool,
    /// Set if the protocol has only text messages.
    text_only: Option<Version>,
}

/// A message that is to be sent by the driver.
pub(crate) enum Reply {
    Message(Message),
    Prepared(PreparedMessage),
}

/// What becomes of the replies to a connection.
pub(crate) enum Target {
    /// They are written as frames.
    Frames,
    /// They are kept.
    Driver,
    /// They are refused.
    Closed,
}

impl Reply {
    fn message(&self) -> &Message {
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
    /// [`Driver::begin_replies`](crate::Driver::begin_replies), and [`NotSupported`](SendError::NotSupported). The message was
    /// not taken.
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        let message = message.into();
        if !self.has_room_for_frame() {
            return self.keep(Reply::Message(message));
        }
        if let Message::Text(text) = &message
            && let Some((text, len)) = text.as_short()
        {
            self.frames.put_text(Opcode::Text as u8, text, len);
        } else {
            hybi::put_plain(message, &mut self.frames);
        }
        Ok(())
    }

    /// Sends a message that is only borrowed, by copying it.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    #[inline(always)]
    pub fn send_borrowed<'a>(&mut self, message: impl Into<MessageRef<'a>>) -> Result<(), SendError> {
        let message = message.into();
        let (opcode, payload) = match message {
            MessageRef::Text(text) => (Opcode::Text, text.as_bytes()),
            MessageRef::Binary(bytes) => (Opcode::Binary, bytes),
        };
        let is_put = self.has_room_for_frame() && self.frames.put_copy(opcode as u8, payload);
        if is_put { Ok(()) } else { self.send(message) }
    }

    /// Sends a message that other connections send as well.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), SendError> {
        if !self.has_room_for_frame() {
            return self.keep(Reply::Prepared(prepared.clone()));
        }
        self.frames.put_frame(hybi::plain_frame(prepared));
        Ok(())
    }

    /// Starts to close after the messages sent so far, like [`Driver::start_close`](crate::Driver::start_close). A second call does
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`InvalidCloseCode`](SendError::InvalidCloseCode) and [`ReasonTooLong`](SendError::ReasonTooLong).
    pub fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        let close = CloseFrame { code, reason: reason.into() };
        hybi::check_close(&close)?;
        if !self.is_closed {
            self.close = Some(Box::new(close));
            self.set_target(Target::Closed, 0);
        }
        Ok(())
    }

    /// Returns whether no further message is taken before the replies are committed.
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        !self.has_room_for_frame() && self.kept_size >= self.kept_room
    }

    /// Returns whether there is nothing to commit.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.frames.has_remaining() && self.kept.is_empty() && self.close.is_none()
    }

    /// Gives it a buffer to gather frames in, which is used only while it has none.
    #[inline]
    pub fn lend(&mut self, buffer: BytesMut) {
        self.frames.lend(buffer);
    }

    /// Takes the buffer back, or the one it made itself or got from the driver. Empty while frames wait in it.
    #[inline]
    pub fn reclaim(&mut self) -> BytesMut {
        self.frames.reclaim()
    }

    /// Returns whether it has a buffer to gather frames in.
    #[inline]
    #[must_use]
    pub fn has_buffer(&self) -> bool {
        self.frames.has_buffer()
    }

    /// Notes what becomes of messages from here on, and how many bytes may be gathered.
    #[inline]
    pub(crate) fn set_target(&mut self, target: Target, room: usize) {
        (self.room, self.kept_room, self.is_closed) = match target {
            Target::Frames => (room, 0, false),
            Target::Driver => (0, room, false),
            Target::Closed => (0, 0, true),
        };
    }

    pub(crate) fn set_text_only(&mut self, version: Option<Version>) {
        self.text_only = version;
    }

    /// Takes what is kept, and refuses further messages.
    #[inline]
    pub(crate) fn finish(&mut self) -> (Vec<Reply>, Option<Box<CloseFrame>>) {
        (self.room, self.kept_room, self.kept_size, self.is_closed) = (0, 0, 0, false);
        (std::mem::take(&mut self.kept), self.close.take())
    }

    #[inline]
    fn has_room_for_frame(&self) -> bool {
        self.frames.remaining() < self.room
    }

    #[cold]
    fn keep(&mut self, reply: Reply) -> Result<(), SendError> {
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
        self.kept_size += size_of::<Reply>() + reply.message().len();
        self.kept.push(reply);
        Ok(())
    }
}

/// Without the messages, which may be confidential.
impl fmt::Debug for ReplyBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyBuffer")
            .field("frames", &self.frames)
            .field("kept", &self.kept.len())
            .field("close", &self.close)
            .finish_non_exhaustive()
    }
}
