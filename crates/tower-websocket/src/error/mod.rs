//! The errors of open sockets, and their parts. Those of other operations are in the modules of
//! those operations.

pub(crate) mod abnormal_end;

use std::io;

use websocket_driver::SendError;
pub use websocket_driver::{InvalidUtf8, Limit, LimitExceeded, ProtocolError, Timeout, UsageError};

pub use self::abnormal_end::AbnormalEnd;

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
    /// The connection ended before the end of a message that was [received while it
    /// arrived](crate::WebSocket::recv_stream).
    #[error("connection ended within a message")]
    Interrupted,
    /// No pong was received in time.
    #[error("no pong received in time")]
    NoPong,
    /// The message was not accepted for sending.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// For [`IncomingMessage`](crate::IncomingMessage) and [`OutgoingMessage`](crate::OutgoingMessage)
/// as streams of bytes. An [`Error::Io`] is returned unchanged, and the others are the source of
/// the new error.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Io(_) => io::ErrorKind::Other,
            Error::Interrupted => io::ErrorKind::UnexpectedEof,
            Error::NoPong => io::ErrorKind::TimedOut,
            Error::Protocol(_) | Error::Send(SendError::InvalidUtf8) => io::ErrorKind::InvalidData,
            Error::Send(SendError::Closed) => io::ErrorKind::BrokenPipe,
            Error::Send(SendError::NotSupported { .. }) => io::ErrorKind::Unsupported,
            Error::Send(_) => io::ErrorKind::Other,
        };
        match error {
            Error::Io(error) => error,
            error => Self::new(kind, error),
        }
    }
}
