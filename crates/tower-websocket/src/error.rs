//! The errors of open sockets, and their parts. Those of other operations are in the modules of
//! these.

use std::io;

use websocket_driver::SendError;
pub use websocket_driver::{InvalidUtf8, Limit, LimitExceeded, ProtocolError, Timeout, UsageError};

/// An error on an open socket. The end of a connection, even without a close frame, is not an
/// error: see [`WebSocket::close_cause`](crate::WebSocket::close_cause).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The transport failed. Nothing can be sent or received any more.
    #[error("transport failed")]
    Io(#[from] io::Error),
    /// The peer violated the protocol or exceeded a limit. A close frame was sent, and the
    /// connection is closed.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// No pong was received in time.
    #[error("no pong received in time")]
    NoPong,
    /// The message was not accepted for sending.
    #[error(transparent)]
    Send(#[from] SendError),
}
