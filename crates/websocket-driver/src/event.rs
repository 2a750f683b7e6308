use bytes::Bytes;

use crate::error::ProtocolError;
use crate::message::Message;
use crate::message::close::CloseFrame;

/// What [`Driver::poll_event`](crate::Driver::poll_event) tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// [`Driver::server`](crate::Driver::server) has read the head of a request: look at
    /// [`request`](crate::Driver::request), then [`start`](crate::Driver::start), or answer plain HTTP.
    Connect,
    /// The handshake is done; messages come and go from here on.
    Open,
    /// A whole message.
    Message(Message),
    /// A ping came. It has been answered.
    Ping(Bytes),
    /// A pong came, asked for or not.
    Pong(Bytes),
    /// The peer broke a rule or a limit. [`Close`](Self::Close) follows.
    Error(ProtocolError),
    /// The last event. The code and reason are the peer's where it sent a close frame; of the error, if one
    /// was the cause; else [`NO_STATUS`](crate::CloseCode::NO_STATUS) or [`ABNORMAL`](crate::CloseCode::ABNORMAL).
    Close(CloseFrame),
}
