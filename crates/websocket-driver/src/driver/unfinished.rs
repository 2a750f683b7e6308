use crate::framing::hybi::outgoing::Outgoing;
use crate::framing::output::Output;
use crate::framing::reply_buffer::Reply;
use crate::message::MessageKind;
use crate::message::close::CloseFrame;

/// The messages and frames that the connection accepts for sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SendState {
    /// Messages and control frames.
    Open,
    /// Fragments of an unfinished message, and control frames.
    Unfinished,
    /// Nothing: a close frame was sent, or nothing more can be written.
    Closed,
}

/// A message that is sent in fragments, and the replies and close that are held until it is
/// finished.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub(super) message: Outgoing,
    pub(super) frames: Output,
    pub(super) replies: Vec<Reply>,
    pub(super) close: Option<Box<CloseFrame>>,
    /// The size of the frames and replies in bytes.
    pub(super) waiting: usize,
}

impl Unfinished {
    pub(super) fn new(kind: MessageKind, may_compress: bool) -> Self {
        let message = Outgoing::new(kind, may_compress);
        Self { message, frames: Output::default(), replies: Vec::new(), close: None, waiting: 0 }
    }

    /// Returns the memory in bytes.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.message.memory() + self.waiting
    }

    /// Holds a reply until the message is finished.
    pub(super) fn hold(&mut self, reply: Reply) {
        self.waiting += size_of::<Reply>() + reply.message().len();
        self.replies.push(reply);
    }
}
