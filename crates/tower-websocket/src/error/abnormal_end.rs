use websocket_driver::CloseCause;

/// The source of an error that reports an abnormal end of a connection, for a
/// [`ByteStream`](crate::ByteStream): without a close frame, or with a code that means a failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("connection ended abnormally: {cause}")]
pub struct AbnormalEnd {
    cause: CloseCause,
}

impl AbnormalEnd {
    /// Returns the first event that led to the end, such as an expired timeout or a reset of the
    /// transport.
    #[must_use]
    pub fn cause(&self) -> &CloseCause {
        &self.cause
    }
}

impl From<CloseCause> for AbnormalEnd {
    fn from(cause: CloseCause) -> Self {
        Self { cause }
    }
}
