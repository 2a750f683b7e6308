//! The traits that an extension implements.

use std::fmt::Debug;

use crate::bounded_buffer::BoundedBuffer;
use crate::error::ExtensionFault;
use crate::message::{Message, Rsv};
use crate::params::Params;
use crate::streaming::StreamingSession;

/// An extension of the protocol (RFC 6455 §9). Applications register it once for all connections.
pub trait Extension: Debug + Send + Sync {
    /// Returns the name in the header, a token.
    fn name(&self) -> &str;

    /// Returns the reserved bits that the extension claims. Two extensions that claim the same bit
    /// cannot both be active on a connection.
    fn rsv(&self) -> Rsv;

    /// Returns a client's offer for a new connection, or `None` to offer nothing.
    fn offer(&self) -> Option<Box<dyn Offer>>;

    /// Returns a server's response to the offers of a client, which are in order of preference: the
    /// response parameters and the session, or `None` to decline. Skip offers that cannot be met
    /// (RFC 6455 §9.1).
    fn accept(&self, offers: &[Params]) -> Option<(Params, Box<dyn Session>)>;
}

/// A client's offer for one connection, until the server responds.
pub trait Offer: Debug + Send {
    /// Returns the parameters of each alternative, in order of preference.
    fn params(&self) -> Vec<Params>;

    /// Creates the session from the parameters of the server's response.
    ///
    /// # Errors
    ///
    /// [`ExtensionFault::Parameter`] if the response does not match the offer.
    fn activate(self: Box<Self>, response: &Params) -> Result<Box<dyn Session>, ExtensionFault>;
}

/// An active extension on one connection. Dropping it releases its memory.
pub trait Session: Debug + Send {
    /// Transforms an incoming message. A message without the extension's bits stays unchanged,
    /// unless the extension claims none.
    ///
    /// # Errors
    ///
    /// The reason why the message cannot be decoded. The connection fails.
    fn decode(&mut self, message: &mut Message, room: &mut BoundedBuffer<'_>) -> Result<(), ExtensionFault>;

    /// Transforms an outgoing message.
    ///
    /// # Errors
    ///
    /// The reason why the message cannot be encoded. It is not sent.
    fn encode(&mut self, message: &mut Message) -> Result<(), ExtensionFault>;

    /// Returns the part of the session that transforms messages piece by piece, if there is one.
    /// Default: `None`, so that messages which are sent or received in pieces are buffered first.
    fn streaming(&mut self) -> Option<&mut dyn StreamingSession> {
        None
    }

    /// Returns an id of the encoder's settings if its output depends on nothing but the message.
    /// Sessions with equal ids share encoded frames of a `PreparedMessage`. Returns `None` (the
    /// default) if the encoder keeps state between messages.
    fn encoding(&self) -> Option<u64> {
        None
    }

    /// Returns the number of bytes held for the connection, which count against
    /// `Config::max_memory`. Default: 0.
    fn memory(&self) -> usize {
        0
    }

    /// Releases memory that was not needed since the last call, if later messages can be decoded and
    /// encoded without it. Called at intervals while the connection is open, also while a message is
    /// transformed in pieces; `tower-websocket` calls it every 30 s. Default: does nothing.
    fn release_idle(&mut self) {}
}
