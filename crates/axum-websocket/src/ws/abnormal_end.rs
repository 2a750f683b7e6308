use tower_websocket::CloseCause;

/// The source of the error that a [`WebSocket`](super::WebSocket) returns if the connection ended
/// without a close frame from the peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("connection ended without a closing handshake: {cause}")]
pub struct AbnormalEnd {
    cause: CloseCause,
}

impl AbnormalEnd {
    pub(super) fn new(cause: CloseCause) -> Self {
        Self { cause }
    }

    /// Returns the first event that led to the end, such as an expired timeout or a reset.
    pub fn cause(&self) -> &CloseCause {
        &self.cause
    }
}
