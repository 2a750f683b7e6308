use crate::error::ProtocolError;
use crate::error::cause::CloseCause;
use crate::message::close::CloseFrame;

/// How a connection ended, or is about to.
#[derive(Debug, Default)]
pub(crate) struct CloseInfo {
    /// What it was closed with.
    frame: Option<CloseFrame>,
    /// The first thing that led to it.
    cause: Option<CloseCause>,
    /// What became of the transport, which counts where nothing was said before.
    transport: Option<CloseCause>,
    /// Nothing more is received, either.
    has_ended: bool,
    /// What is to be told before the close.
    error: Option<ProtocolError>,
    /// A client whose closing handshake is done: the server is to end the transport.
    expects_transport: bool,
}

impl CloseInfo {
    pub(crate) fn frame(&self) -> Option<&CloseFrame> {
        self.frame.as_ref()
    }

    pub(crate) fn cause(&self) -> Option<&CloseCause> {
        if self.is_given_up() { self.transport.as_ref() } else { self.cause.as_ref().or(self.transport.as_ref()) }
    }

    pub(crate) fn set_frame(&mut self, frame: CloseFrame) {
        self.frame = Some(frame);
    }

    /// Only the first counts.
    pub(crate) fn set_cause(&mut self, cause: CloseCause) {
        self.cause.get_or_insert(cause);
    }

    /// Only the first counts.
    pub(crate) fn set_transport(&mut self, cause: CloseCause) {
        self.transport.get_or_insert(cause);
        self.has_ended = true;
    }

    /// Nothing can be sent any more. Only the first counts.
    pub(crate) fn set_write_end(&mut self, cause: CloseCause) {
        self.transport.get_or_insert(cause);
    }

    /// Whether the transport has ended.
    #[inline]
    pub(crate) fn has_transport(&self) -> bool {
        self.has_ended
    }

    pub(crate) fn expect_transport(&mut self) {
        self.expects_transport = true;
    }

    /// Whether the peer should end the transport, and has not.
    pub(crate) fn expects_transport(&self) -> bool {
        self.expects_transport && !self.has_transport()
    }

    pub(crate) fn set_error(&mut self, error: ProtocolError) {
        self.error = Some(error);
    }

    /// Gives it once.
    pub(crate) fn take_error(&mut self) -> Option<ProtocolError> {
        self.error.take()
    }

    /// The transport has ended, and no close was in what came before.
    pub(crate) fn set_unanswered(&mut self) {
        if self.is_given_up() {
            self.cause = None;
        }
    }

    /// A close of this side that came to nothing is no cause.
    fn is_given_up(&self) -> bool {
        self.frame.is_none()
            && matches!(self.cause, Some(CloseCause::Local(_)))
            && matches!(self.transport, Some(CloseCause::Timeout(_) | CloseCause::Cut))
    }
}
