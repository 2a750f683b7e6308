//! For runtimes: replies that were encoded without access to the driver.

use bytes::Buf;

use super::unfinished::SendState;
use super::{Driver, State};
use crate::error::SendError;
use crate::error::cause::CloseCause;
use crate::framing::Protocol;
use crate::framing::reply_buffer::{Reply, ReplyBuffer, Target};
use crate::handshake::queue::Command;
use crate::message::close::CloseFrame;

impl Driver {
    /// Prepares a buffer for replies to this connection: records how they are encoded, and how many
    /// bytes fit below [`Config::max_output`](crate::Config::max_output). Replies already in the
    /// buffer are kept.
    #[inline]
    pub fn begin_replies(&self, replies: &mut ReplyBuffer) {
        let room = self.settings.max_output.saturating_sub(self.output.remaining());
        if let State::Open(Protocol::Hybi(hybi)) = &self.state
            && hybi.sends_plain()
            && self.send_state == SendState::Open
            && replies.deferred.is_empty()
            && replies.close.is_none()
        {
            replies.set_target(Target::Frames, room);
        } else {
            self.begin_deferred_replies(replies, room);
        }
    }

    fn begin_deferred_replies(&self, replies: &mut ReplyBuffer, room: usize) {
        let is_closed =
            self.send_state == SendState::Closed || matches!(self.state, State::Closed) || replies.close.is_some();
        let room = room.saturating_sub(self.extras.waiting());
        replies.set_target(if is_closed { Target::Closed } else { Target::Driver }, room);
        replies.set_text_only(self.version.filter(|version| version.is_hixie()));
    }

    /// Moves the replies to the end of the output, and starts the closing handshake if a close is
    /// among them. Replies are accepted even if the output has become full in the meantime. Call
    /// [`begin_replies`](Self::begin_replies) before using the buffer again.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed) if messages were dropped because the connection is closing or
    /// closed; otherwise the first error of a message that is encoded here. The other messages are
    /// sent.
    #[inline]
    pub fn commit(&mut self, replies: &mut ReplyBuffer) -> Result<(), SendError> {
        if replies.is_empty() {
            return Ok(());
        }
        let is_open = matches!(self.state, State::Open(_)) && self.send_state == SendState::Open;
        if is_open {
            self.output.append(&mut replies.frames);
        } else if self.has_unfinished_message() {
            self.hold_replies(replies);
            return Ok(());
        }
        let is_dropped = replies.frames.discard();
        let (deferred, close) = replies.finish();
        if is_open && deferred.is_empty() && close.is_none() {
            return Ok(());
        }
        self.commit_deferred(is_dropped, deferred, close)
    }

    fn commit_deferred(
        &mut self,
        is_dropped: bool,
        deferred: Vec<Reply>,
        close: Option<Box<CloseFrame>>,
    ) -> Result<(), SendError> {
        let mut committed = if is_dropped { Err(SendError::Closed) } else { Ok(()) };
        for reply in deferred {
            let sent = self.commit_reply(reply);
            committed = committed.and(sent);
        }
        if let Some(close) = close {
            self.begin_to_close((*close).clone(), CloseCause::Local(*close));
        }
        committed
    }

    pub(super) fn commit_reply(&mut self, reply: Reply) -> Result<(), SendError> {
        let may_compress = self.may_compress;
        match (&mut self.state, reply) {
            (State::Open(protocol), reply) if self.send_state == SendState::Open => {
                let settings = &self.settings;
                let len = match reply {
                    Reply::Message(message) => {
                        let len = message.len();
                        protocol.send(message, may_compress, settings, &mut self.output)?;
                        len
                    }
                    Reply::Prepared(prepared) => {
                        protocol.send_prepared(&prepared, may_compress, settings, &mut self.output)?;
                        prepared.message().len()
                    }
                };
                self.count_sent(1, len);
                Ok(())
            }
            (_, Reply::Message(message)) => self.command(Command::Message { message, may_compress }),
            (_, Reply::Prepared(prepared)) => {
                self.command(Command::Message { message: prepared.message().clone(), may_compress })
            }
        }
    }
}
