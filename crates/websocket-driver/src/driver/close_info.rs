use crate::error::ProtocolError;
use crate::error::cause::CloseCause;
use crate::message::close::CloseFrame;

/// How a connection ended, or is about to end.
#[derive(Debug, Default)]
pub(crate) struct CloseInfo {
    /// The close code and reason that the connection ended with.
    frame: Option<CloseFrame>,
    /// The first event that led to the end.
    cause: Option<CloseCause>,
    /// How the transport ended. It is the cause if there is no other.
    transport: Option<CloseCause>,
    /// Whether receiving has ended as well.
    has_ended: bool,
    /// The error to return before the close.
    error: Option<ProtocolError>,
    /// Set for a client whose closing handshake is complete: the server should close the transport
    /// first.
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

    /// Sets the cause. Later calls are ignored.
    pub(crate) fn set_cause(&mut self, cause: CloseCause) {
        self.cause.get_or_insert(cause);
    }

    /// Records the end of the transport. Later causes are ignored.
    pub(crate) fn set_transport(&mut self, cause: CloseCause) {
        self.transport.get_or_insert(cause);
        self.has_ended = true;
    }

    /// Records that nothing can be sent any more. Later causes are ignored.
    pub(crate) fn set_write_end(&mut self, cause: CloseCause) {
        self.transport.get_or_insert(cause);
    }

    /// Returns whether the transport has ended.
    #[inline]
    pub(crate) fn has_transport(&self) -> bool {
        self.has_ended
    }

    pub(crate) fn expect_transport(&mut self) {
        self.expects_transport = true;
    }

    /// Returns whether the peer should close the transport and has not done so.
    pub(crate) fn expects_transport(&self) -> bool {
        self.expects_transport && !self.has_transport()
    }

    pub(crate) fn set_error(&mut self, error: ProtocolError) {
        self.error = Some(error);
    }

    /// Returns the error once.
    pub(crate) fn take_error(&mut self) -> Option<ProtocolError> {
        self.error.take()
    }

    /// Records that the transport has ended and that the input received before contained no close
    /// frame.
    pub(crate) fn set_unanswered(&mut self) {
        if self.is_given_up() {
            self.cause = None;
        }
    }

    /// Returns whether this side gave up on its own close: the timeout or cut is the cause then,
    /// not the close.
    fn is_given_up(&self) -> bool {
        self.frame.is_none()
            && matches!(self.cause, Some(CloseCause::Local(_)))
            && matches!(self.transport, Some(CloseCause::Timeout(_) | CloseCause::Cut))
    }
}
