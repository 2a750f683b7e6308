use crate::framing::hybi::outgoing::Outgoing;
use crate::framing::output::Output;
use crate::framing::reply_buffer::Reply;
use crate::message::MessageKind;
use crate::message::close::CloseFrame;

/// What the connection takes for sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SendState {
    /// Messages and control frames.
    Open,
    /// Fragments of an unfinished message, and control frames.
    Unfinished,
    /// Nothing: a close frame was sent, or nothing can be written any more.
    Closed,
}

/// A message that is sent in fragments, and what waits until it is finished.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub(super) message: Outgoing,
    pub(super) frames: Output,
    pub(super) replies: Vec<Reply>,
    pub(super) close: Option<Box<CloseFrame>>,
    /// The bytes of the frames and replies.
    pub(super) waiting: usize,
}

impl Unfinished {
    pub(super) fn new(kind: MessageKind, may_compress: bool) -> Self {
        let message = Outgoing::new(kind, may_compress);
        Self { message, frames: Output::default(), replies: Vec::new(), close: None, waiting: 0 }
    }

    /// The bytes that it holds.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.message.memory() + self.waiting
    }

    /// Keeps a reply until the message is finished.
    pub(super) fn hold(&mut self, reply: Reply) {
        self.waiting += size_of::<Reply>() + reply.message().len();
        self.replies.push(reply);
    }
}
