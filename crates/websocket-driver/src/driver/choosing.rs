//! The choice of the subprotocol by an application that has seen the request.

use super::{Driver, State};
use crate::error::HandshakeError;
use crate::handshake::requested_protocols;

impl Driver {
    /// Chooses the subprotocol of a request that [`Driver::server`] has read, or none, in place of what the configuration has
    /// chosen. A name that the client did not offer counts as none, as it would fail the connection (RFC 6455 §4.1).
    ///
    /// If an HTTP stack has read the request, it is known before the driver is: use
    /// [`Config::select_protocol`](crate::Config::select_protocol) then.
    ///
    /// # Errors
    ///
    /// [`NotRequested`](HandshakeError::NotRequested) before [`Event::Connect`](crate::Event::Connect), and
    /// [`AlreadyAnswered`](HandshakeError::AlreadyAnswered) after [`start`](Self::start).
    pub fn choose_protocol(&mut self, name: Option<&str>) -> Result<(), HandshakeError> {
        let State::Opening(opening) = &mut self.state else {
            return Err(HandshakeError::AlreadyAnswered);
        };
        let Some(heads) = &mut self.heads else {
            return Err(HandshakeError::NotRequested);
        };
        let request = heads.request.as_deref().ok_or(HandshakeError::NotRequested)?;
        if self.version.is_none() {
            // It will be refused.
            return Ok(());
        }
        let name = name.filter(|name| requested_protocols(request).contains(name));
        opening.set_protocol(name)?;
        heads.protocol = name.map(Into::into);
        Ok(())
    }
}
