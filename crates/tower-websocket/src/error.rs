use std::io;

use websocket_driver::{ProtocolError, SendError};

/// What can go wrong on an open socket. An end, even one without a close frame, is none of them: it is told by
/// [`WebSocket::close_frame`](crate::WebSocket::close_frame).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The transport failed. Nothing can be sent or received any more.
    #[error("the transport failed: {0}")]
    Io(#[from] io::Error),
    /// The peer broke the protocol or a limit. It has been told so, and the connection is closed.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// No pong came to a ping in time.
    #[error("the peer did not answer a ping")]
    NoPong,
    /// What was to be sent was not taken.
    #[error(transparent)]
    Send(#[from] SendError),
}
