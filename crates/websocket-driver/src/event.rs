use bytes::Bytes;

use crate::error::ProtocolError;
use crate::message::close::CloseFrame;
use crate::message::{Message, MessageChunk};

/// The events that [`Driver::poll_event`](crate::Driver::poll_event) returns.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// [`Driver::server`](crate::Driver::server) has read the head of a request. Inspect it with
    /// [`request`](crate::Driver::request), then call [`start`](crate::Driver::start), or answer it
    /// as plain HTTP.
    Connect,
    /// The handshake is complete. Messages can be sent and received.
    Open,
    /// A whole message.
    Message(Message),
    /// A piece of a message, if messages are received [in pieces](crate::Driver::stream_messages).
    Chunk(MessageChunk),
    /// A ping was received, and has been answered.
    Ping(Bytes),
    /// A pong was received, solicited or not.
    Pong(Bytes),
    /// The peer violated the protocol or exceeded a limit. [`Close`](Self::Close) follows.
    Error(ProtocolError),
    /// The connection has ended. This is the last event. The code and reason are those of the
    /// peer's close frame, if it sent one, or those of the error that was the cause. If this side
    /// closes and the peer has no answer to send, or before the handshake is complete, they are
    /// those of this side. Otherwise the code is [`ABNORMAL`](crate::CloseCode::ABNORMAL), or
    /// [`NO_STATUS`](crate::CloseCode::NO_STATUS) for a regular close in the hixie drafts.
    Close(CloseFrame),
}
