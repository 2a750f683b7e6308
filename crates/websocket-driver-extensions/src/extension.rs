use std::fmt::Debug;

use crate::bounded_buffer::BoundedBuffer;
use crate::error::ExtensionFault;
use crate::message::{Message, Rsv};
use crate::params::Params;

/// An extension of the protocol (RFC 6455 §9): what an application registers, once for all its connections.
pub trait Extension: Debug + Send + Sync {
    /// Its name in the header, a token.
    fn name(&self) -> &str;

    /// The reserved bits it claims. Two extensions that claim the same cannot both be active on a connection.
    fn rsv(&self) -> Rsv;

    /// A client's offer for a new connection; `None` to offer nothing.
    fn offer(&self) -> Option<Box<dyn Offer>>;

    /// A server's answer to the offers of a client, best first: the parameters to respond with, and the session; `None` to
    /// go without. An offer that cannot be met is passed over, and the next one looked at (RFC 6455 §9.1).
    fn accept(&self, offers: &[Params]) -> Option<(Params, Box<dyn Session>)>;
}

/// What a client has offered for one connection, until the server has answered.
pub trait Offer: Debug + Send {
    /// The parameters of each alternative, best first.
    fn params(&self) -> Vec<Params>;

    /// Makes a session of it, by the parameters of the server's response.
    ///
    /// # Errors
    ///
    /// [`ExtensionFault::Parameter`] where the response is not one to the offer.
    fn activate(self: Box<Self>, response: &Params) -> Result<Box<dyn Session>, ExtensionFault>;
}

/// An extension at work on one connection. What it holds is let go when it is dropped.
pub trait Session: Debug + Send {
    /// Transforms a message that came. One without the extension's bits is left as it is, unless the extension has none.
    ///
    /// # Errors
    ///
    /// What is wrong with it; the connection fails.
    fn decode(&mut self, message: &mut Message, room: &mut BoundedBuffer<'_>) -> Result<(), ExtensionFault>;

    /// Transforms a message that leaves.
    ///
    /// # Errors
    ///
    /// Why it cannot; the message is not sent.
    fn encode(&mut self, message: &mut Message) -> Result<(), ExtensionFault>;

    /// A number for the way it encodes, where that depends on nothing but the message: what one session made of a message is
    /// then sent by all of the extension that give the same number. `None`, as by default, where it has a memory.
    fn encoding(&self) -> Option<u64> {
        None
    }

    /// The bytes it holds for its connection, which count against `Config::max_memory`: none, by default.
    fn memory(&self) -> usize {
        0
    }
}
