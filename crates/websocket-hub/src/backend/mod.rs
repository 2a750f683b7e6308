//! Where messages go between publishing and delivery: through this process, or through an engine that several nodes share.
//!
//! [`InProcess`] is what [`Hub::new`](crate::Hub::new) uses. A [`Backend`] for an engine such as Redis or NATS connects the hubs of
//! several processes, its *nodes*. The hub has the members, their queues and policies; the backend has the order of the messages, the
//! history and the connection. The module `test::conformance`, behind the feature `test-util`, checks
//! that a backend keeps the contract.
//!
//! # Contract
//!
//! 1. **Publishing** returns once the engine has the message, with its position. The node that has published gets the message back
//!    from the engine like every other, by [`Node::deliver`], so that all nodes see the same order.
//! 2. **Order**: the messages of a topic are delivered to a node in the order of their positions. A message that arrives twice is
//!    ignored, if it has a position.
//! 3. **Subscriptions**: an engine is subscribed once for each topic and node, whatever the number of members. The hub asks for
//!    several topics at once, and unsubscribes from a topic some time after its last member has left.
//! 4. **Resumption**: once [`Backend::subscribe`] has returned, every later message is delivered. Then the hub reads the history,
//!    merges both by position, and makes the subscription live. In the other order, messages published in between would be lost.
//! 5. **Lost connections**: when the connection to the engine is lost, the backend reports [`Node::disconnected`]; when it is back
//!    and has subscribed again, it calls [`Node::resynchronise`], or [`Node::catch_up`] for each topic and then
//!    [`Node::reconnected`]. The hub delivers what was missed from the history, and a [`Gap`](crate::Notice::Gap) where that is
//!    impossible.
//! 6. **Signals** reach every node, the sender's among them.
//! 7. A backend ends its tasks when [`Node`] reports [`HubDropped`](crate::HubDropped), or when it is dropped.

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

/// An engine that carries the messages of a hub. See the [module](self) for its contract.
///
/// All methods but [`start`](Self::start) may be called concurrently. Their futures may be dropped at any time; what they had begun
/// happens wholly or not at all.
pub trait Backend: Send + Sync + 'static {
    /// Returns the capabilities of the engine, which do not change.
    fn capabilities(&self) -> Capabilities;

    /// Connects to the engine. Called once, before any other method; messages are delivered to the node from here on.
    ///
    /// # Errors
    ///
    /// [`BackendError`] if there is no connection. The hub is not made then.
    fn start(&self, node: Node) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Publishes a message, and returns its position, or [`Position::UNKNOWN`] if the engine has none.
    ///
    /// # Errors
    ///
    /// [`BackendError`] if the engine has not confirmed the message. It may have it nevertheless.
    fn publish(
        &self,
        topic: &str,
        publication: Publication,
    ) -> impl Future<Output = Result<Position, BackendError>> + Send;

    /// Subscribes to topics. All messages that are published after it has returned are delivered. By default it does nothing, for
    /// engines that deliver without.
    ///
    /// # Errors
    ///
    /// [`BackendError`] if any of them could not be subscribed. Subscribing members get the error.
    fn subscribe(&self, _topics: &[Arc<str>]) -> impl Future<Output = Result<(), BackendError>> + Send {
        async { Ok(()) }
    }

    /// Ends subscriptions. By default it does nothing.
    ///
    /// # Errors
    ///
    /// [`BackendError`] if that has failed, which the hub ignores: messages of topics that nobody needs are not delivered.
    fn unsubscribe(&self, _topics: &[Arc<str>]) -> impl Future<Output = Result<(), BackendError>> + Send {
        async { Ok(()) }
    }

    /// Reads the history of a topic. An engine without one returns no messages, and reports that they are incomplete if a position
    /// was given.
    ///
    /// # Errors
    ///
    /// [`BackendError`] if the engine does not answer.
    fn history(&self, topic: &str, query: HistoryQuery) -> impl Future<Output = Result<History, BackendError>> + Send;

    /// Sends a signal to all nodes.
    ///
    /// # Errors
    ///
    /// [`BackendError`] if the engine has not confirmed it.
    fn signal(&self, signal: Signal) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Returns the number of members that a topic has on all nodes.
    ///
    /// # Errors
    ///
    /// [`BackendError`] if the engine does not answer.
    fn count(&self, topic: &str) -> impl Future<Output = Result<Presence, BackendError>> + Send;
}

/// The capabilities of an engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Capabilities {
    pub(crate) needs_subscriptions: bool,
    pub(crate) is_contiguous: bool,
    /// Asked for by the conformance suite.
    pub(crate) has_history: bool,
}

impl Capabilities {
    /// An engine that delivers every topic to every node, with positions that only grow, and keeps no history.
    pub const fn new() -> Self {
        Self { needs_subscriptions: false, is_contiguous: false, has_history: false }
    }

    /// Notes that topics must be [subscribed](Backend::subscribe).
    pub const fn subscribes(mut self) -> Self {
        self.needs_subscriptions = true;
        self
    }

    /// Notes that the offsets of a topic grow by one, so that holes can be found, and filled from the history.
    pub const fn contiguous(mut self) -> Self {
        self.is_contiguous = true;
        self
    }

    /// Notes that there is a history.
    pub const fn history(mut self) -> Self {
        self.has_history = true;
        self
    }
}

/// The members of a topic on all nodes, from [`Hub::presence`](crate::Hub::presence).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Presence {
    /// The number of members.
    pub members: usize,
    /// The number of nodes that have any.
    pub nodes: usize,
    /// The age of the figures.
    pub age: Duration,
}

impl Presence {
    /// Creates figures.
    #[must_use]
    pub const fn new(members: usize, nodes: usize, age: Duration) -> Self {
        Self { members, nodes, age }
    }
}
