//! Connections whose handshake was done elsewhere.

use super::{Driver, State};
use crate::config::Config;
use crate::driver::pending::PendingEvents;
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
    /// let mut driver = Driver::after_handshake(CompletedHandshake::client(), Config::client());
    /// driver.receive(&b"\x81\x05hello"[..]);
    /// assert_eq!(driver.poll_event(), Some(Event::Open));
    /// assert_eq!(driver.poll_event(), Some(Event::Message(Message::text("hello"))));
    /// ```
    #[must_use]
    pub fn after_handshake(handshake: CompletedHandshake, config: Config) -> Self {
        let CompletedHandshake { is_client, protocol, path } = handshake;
        let mut driver = Self::with_state(config, State::Closed);
        driver.set_path(&path);
        driver.version = Some(Version::Hybi13);
        if protocol.is_some() {
            driver.heads_mut().protocol = protocol;
        }
        let role = if is_client { Role::Client } else { Role::Server };
        driver.state = State::Open(Protocol::new(Version::Hybi13, role, None, driver.config.settings()));
        driver.output.begin_frames();
        driver.news.add(PendingEvents::OPEN);
        driver
    }
}
