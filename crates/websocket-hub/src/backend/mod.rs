//! Backends: the way of messages from publishing to delivery, within this process or through an
//! engine that several nodes share.
//!
//! [`InProcess`] is the backend of [`Hub::new`](crate::Hub::new). A [`Backend`] for an engine such
//! as Redis or NATS connects the hubs of several processes, its *nodes*. The hub manages the
//! members, their queues and policies; the backend manages the order of the messages, the history
//! and the connection. The module `test::conformance`, enabled by the feature `test-util`, checks
//! that a backend fulfils the contract.
//!
//! # Contract
//!
//! 1. **Publishing** returns once the engine has the message, with its position. The node that has
//!    published receives the message from the engine like every other node, and passes it to
//!    [`Node::deliver`], so that all nodes see the same order.
//! 2. **Order**: the messages of a topic are delivered to a node in the order of their positions. A
//!    message with a position that is received twice is ignored.
//! 3. **Subscriptions**: an engine is subscribed once per topic and node, regardless of the number
//!    of members. The hub subscribes to several topics at once, and unsubscribes from a topic some
//!    time after its last member has left.
//! 4. **Resumption**: once [`Backend::subscribe`] has returned, every later message is delivered.
//!    Then the hub reads the history, merges both by position, and makes the subscription live. In
//!    the reverse order, messages published in between would be lost.
//! 5. **Lost connections**: when the connection to the engine is lost, the backend calls
//!    [`Node::disconnected`]. When it is available again and all topics are subscribed, the backend
//!    calls [`Node::resynchronise`], or [`Node::catch_up`] for each topic and then
//!    [`Node::reconnected`]. The hub delivers missed messages from the history, and a
//!    [`Gap`](crate::Notice::Gap) where that is impossible.
//! 6. **Signals** are delivered to every node, including the sender's.
//! 7. **Lag**: a backend that stores received messages before it delivers them reports how long they
//!    have waited, by [`Node::set_lag`].
//! 8. A backend ends its tasks when [`Node`] returns [`HubDropped`](crate::HubDropped), or when it
//!    is dropped.

pub(crate) mod erased;
mod history;
mod in_process;
mod node;
mod signal;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use self::history::{History, HistoryQuery};
pub use self::in_process::InProcess;
pub use self::node::Node;
pub use self::signal::Signal;
use crate::error::BackendError;
use crate::position::Position;
pub use crate::publication::{DecodeError, MemberId, Publication};

/// An engine that transports the messages of a hub. See the [module](self) for the contract.
///
/// All methods except [`start`](Self::start) may be called concurrently. Their futures may be
/// dropped at any time; an operation that has started then takes effect completely or not at all.
pub trait Backend: Send + Sync + 'static {
    /// Returns the capabilities of the engine. They must not change.
    fn capabilities(&self) -> Capabilities;

    /// Connects to the engine. Called once, before any other method; messages may be delivered to
    /// the node from then on.
    ///
    /// # Errors
    ///
    /// [`BackendError`] if there is no connection. The hub is then not created.
    fn start(&self, node: Node) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Publishes a message. Returns its position, or [`Position::UNKNOWN`] if the engine has no
    /// positions.
    ///
    /// # Errors
    ///
    /// [`BackendError`] if the engine has not confirmed the message. It may have been published
    /// nevertheless.
    fn publish(
        &self,
        topic: &str,
        publication: Publication,
    ) -> impl Future<Output = Result<Position, BackendError>> + Send;

    /// Subscribes to topics. All messages that are published after this returns are delivered. The
    /// default implementation does nothing, for engines that deliver without subscriptions.
    ///
    /// # Errors
    ///
    /// [`BackendError`] if any subscription failed. Subscribing members receive the error.
    fn subscribe(&self, _topics: &[Arc<str>]) -> impl Future<Output = Result<(), BackendError>> + Send {
        async { Ok(()) }
    }

    /// Ends subscriptions. The default implementation does nothing.
    ///
    /// # Errors
    ///
    /// [`BackendError`] if this failed. The hub ignores it, and does not deliver the messages of
    /// unneeded topics.
    fn unsubscribe(&self, _topics: &[Arc<str>]) -> impl Future<Output = Result<(), BackendError>> + Send {
        async { Ok(()) }
    }

    /// Reads the history of a topic. An engine without a history returns no messages, and marks the
    /// result as incomplete if a position was given.
    ///
    /// # Errors
    ///
    /// [`BackendError`] if the engine does not respond.
    fn history(&self, topic: &str, query: HistoryQuery) -> impl Future<Output = Result<History, BackendError>> + Send;

    /// Sends a signal to all nodes.
    ///
    /// # Errors
    ///
    /// [`BackendError`] if the engine has not confirmed the signal.
    fn signal(&self, signal: Signal) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Returns the number of members of a topic on all nodes.
    ///
    /// # Errors
    ///
    /// [`BackendError`] if the engine does not respond.
    fn count(&self, topic: &str) -> impl Future<Output = Result<Presence, BackendError>> + Send;
}

/// The capabilities of an engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Capabilities {
    pub(crate) needs_subscriptions: bool,
    pub(crate) is_contiguous: bool,
    /// Used by the conformance suite.
    pub(crate) has_history: bool,
}

impl Capabilities {
    /// Creates the capabilities of an engine that delivers every topic to every node, with
    /// increasing positions, and without a history.
    pub const fn new() -> Self {
        Self { needs_subscriptions: false, is_contiguous: false, has_history: false }
    }

    /// Declares that topics must be [subscribed](Backend::subscribe).
    pub const fn subscribes(mut self) -> Self {
        self.needs_subscriptions = true;
        self
    }

    /// Declares that the offsets of a topic increase by one, so that gaps can be detected, and
    /// filled from the history.
    pub const fn contiguous(mut self) -> Self {
        self.is_contiguous = true;
        self
    }

    /// Declares that there is a history.
    pub const fn history(mut self) -> Self {
        self.has_history = true;
        self
    }
}

/// The members of a topic on all nodes, returned by [`Hub::presence`](crate::Hub::presence).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Presence {
    /// The number of members.
    pub members: usize,
    /// The number of nodes that have members.
    pub nodes: usize,
    /// The age of the numbers.
    pub age: Duration,
}

impl Presence {
    /// Creates the numbers.
    #[must_use]
    pub const fn new(members: usize, nodes: usize, age: Duration) -> Self {
        Self { members, nodes, age }
    }
}
