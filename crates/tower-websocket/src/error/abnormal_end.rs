use websocket_driver::CloseCause;

/// The source of an error that says that a connection did not end as it should: for a
/// [`ByteStream`](crate::ByteStream) without a close, or with a code that stands for a failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("connection ended abnormally: {cause}")]
pub struct AbnormalEnd {
    cause: CloseCause,
}

impl AbnormalEnd {
    /// Returns the first thing that led to the end: an expired timeout, say, or a transport that
    /// was reset.
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
