//! Selection of the subprotocol by an application that has seen the request.

use super::{Driver, State};
use crate::error::usage::UsageError;
use crate::handshake::server_request::Handshake;

impl Driver {
    /// Selects the subprotocol of a request that [`Driver::server`] has read, or none, instead of
    /// the one that the configuration selects. A name that the client did not offer counts as none,
    /// since it would fail the connection (RFC 6455 §4.1).
    ///
    /// If an HTTP stack has read the request, use [`Handshake::set_protocol`].
    ///
    /// # Errors
    ///
    /// [`NotRequested`](UsageError::NotRequested) before [`Event::Connect`](crate::Event::Connect),
    /// and [`AlreadyAnswered`](UsageError::AlreadyAnswered) after [`start`](Self::start).
    pub fn set_protocol(&mut self, name: Option<&str>) -> Result<(), UsageError> {
        let State::ServerHandshake(server) = &mut self.state else {
            return Err(UsageError::AlreadyAnswered);
        };
        let request = self.extras.heads().and_then(|heads| heads.request.as_deref()).ok_or(UsageError::NotRequested)?;
        // A request that cannot be parsed will be refused.
        let Ok(handshake) = Handshake::parse(request) else { return Ok(()) };
        let name = name.filter(|name| self.version.is_some() && handshake.protocols().any(|offered| offered == *name));
        server.set_protocol(name)?;
        self.extras.heads_mut().protocol = name.map(Into::into);
        Ok(())
    }
}
