//! Connections whose handshake was done elsewhere.

use super::Driver;
use crate::config::{Config, Side};
use crate::framing::Protocol;
use crate::framing::hybi::Role;
use crate::handshake::completed::CompletedHandshake;
use crate::version::Version;

impl Driver {
    /// A driver for a connection whose handshake was done elsewhere, and agreed to no extension. Its first event is
    /// [`Event::Open`](crate::Event::Open). Bytes that were read behind the handshake are its first
    /// [input](Self::receive).
    ///
    /// Of the configuration it takes what applies to open connections. Extensions are not used, and a spent
    /// [`Budget`](crate::Budget) refuses nothing, though what the connection holds is charged to it.
    ///
    /// ```
    /// use websocket_driver::{CompletedHandshake, Config, Driver, Event, Message};
    ///
    /// let mut driver = Driver::after_handshake(CompletedHandshake::new(), Config::client());
    /// driver.receive(&b"\x81\x05hello"[..]);
    /// assert_eq!(driver.poll_event(), Some(Event::Open));
    /// assert_eq!(driver.poll_event(), Some(Event::Message(Message::text("hello"))));
    /// ```
    #[must_use]
    pub fn after_handshake<S: Side>(handshake: CompletedHandshake, config: Config<S>) -> Self {
        let CompletedHandshake { protocol, path } = handshake;
        let mut driver = Self::negotiated(config.into_settings(), Version::Hybi13, protocol, &path);
        let role = if S::IS_CLIENT { Role::Client } else { Role::Server };
        driver.open_as(Protocol::new(Version::Hybi13, role, None, &driver.settings));
        driver
    }
}
