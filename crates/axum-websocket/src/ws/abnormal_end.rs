use tower_websocket::CloseCause;

/// The source of the error that a [`WebSocket`](super::WebSocket) returns when the connection ended without a close frame of the
/// peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("connection ended without a closing handshake: {cause}")]
pub struct AbnormalEnd {
    cause: CloseCause,
}

impl AbnormalEnd {
    pub(super) fn new(cause: CloseCause) -> Self {
        Self { cause }
    }

    /// Returns the first thing that led to the end: an expired timeout, say, or a transport that was reset.
    pub fn cause(&self) -> &CloseCause {
        &self.cause
    }
}
