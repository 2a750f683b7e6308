//! Connections whose handshake was performed elsewhere.

use super::Driver;
use crate::config::{Config, Side};
use crate::framing::Protocol;
use crate::framing::hybi::Role;
use crate::handshake::completed::CompletedHandshake;
use crate::version::Version;

impl Driver {
    /// Creates a driver for a connection whose handshake was performed elsewhere and negotiated no
    /// extension. Its first event is [`Event::Open`](crate::Event::Open). Pass bytes that were read
    /// after the handshake to [`receive`](Self::receive) first.
    ///
    /// Only the settings for open connections apply. Extensions are not used. A spent
    /// [`Budget`](crate::Budget) does not refuse the connection, but is charged with its memory.
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
