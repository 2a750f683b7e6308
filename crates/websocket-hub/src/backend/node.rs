use std::sync::{Arc, Weak};
use std::time::Duration;

use super::history::{HistoryQuery, ReadHistory};
use super::signal::Signal;
use crate::delivery::router::Router;
use crate::error::{BackendError, CatchUpError, HubDropped};
use crate::interest::{Arrival, Interest};
use crate::position::Position;
use crate::publication::Publication;

/// The hub of this node as seen by its backend, to which messages from the engine are delivered.
/// Cheap to clone.
///
/// A backend must call the methods from one task, in the order in which the engine delivers. Each
/// method waits while the members of this node do not keep up, so messages that a client library
/// buffers meanwhile must be bounded.
#[derive(Debug, Clone)]
pub struct Node {
    pub(super) router: Weak<Router>,
    pub(super) interest: Arc<Interest>,
    pub(super) history: Weak<dyn ReadHistory>,
    pub(super) is_contiguous: bool,
}

impl std::fmt::Debug for dyn ReadHistory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReadHistory")
    }
}

impl Node {
    /// Returns the id of this node, a random number.
    ///
    /// # Errors
    ///
    /// [`HubDropped`] if the hub has been dropped.
    pub fn id(&self) -> Result<u64, HubDropped> {
        Ok(self.router()?.shared.node)
    }

    /// Delivers a message that was received from the engine.
    ///
    /// Messages without a position are delivered immediately. Of the others, those that were
    /// already received are ignored. If offsets are [contiguous](super::Capabilities::contiguous)
    /// and some are missing, these are read from the history first; members receive a
    /// [`Gap`](crate::Notice::Gap) for those that are not in the history.
    ///
    /// # Errors
    ///
    /// [`HubDropped`] if the hub has been dropped, so that the backend can end.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: the message, and those that are missing before it, may be lost.
    pub async fn deliver(&self, topic: &str, position: Position, publication: Publication) -> Result<(), HubDropped> {
        let router = self.router()?;
        match self.interest.arrive(topic, position, self.is_contiguous) {
            Arrival::Ignored => return Ok(()),
            Arrival::Next => {}
            Arrival::Hole(last) => {
                if !matches!(self.fill(&router, topic, last).await, Ok(Filled::Whole)) {
                    router.reserve().await.gap(topic);
                }
                // The message may also have been in the history.
                if self.interest.arrive(topic, position, false) == Arrival::Ignored {
                    return Ok(());
                }
                self.interest.reach(topic, position);
            }
            Arrival::NewEpoch => {
                router.reserve().await.gap(topic);
                self.interest.reach(topic, position);
            }
        }
        router.reserve().await.deliver(topic, position, publication);
        Ok(())
    }

    /// Notifies the members of a topic on this node that messages may have been lost.
    ///
    /// # Errors
    ///
    /// [`HubDropped`] if the hub has been dropped.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: all members are notified, or none.
    pub async fn gap(&self, topic: &str) -> Result<(), HubDropped> {
        self.router()?.reserve().await.gap(topic);
        Ok(())
    }

    /// Reports to the observer and the statistics that the connection to the engine was lost. Has
    /// no effect if it was already lost. Members are notified by
    /// [`resynchronise`](Self::resynchronise) or [`catch_up`](Self::catch_up) once it is known
    /// which messages they missed.
    pub fn disconnected(&self) {
        if let Ok(router) = self.router()
            && router.shared.counters.backend.disconnected()
        {
            router.shared.observe(|observer| observer.backend_lost());
        }
    }

    /// Synchronises every topic after the connection to the engine was lost and all topics were
    /// subscribed again: reads the messages published meanwhile from the history, and delivers
    /// them. Members of topics for which that is impossible receive a [`Gap`](crate::Notice::Gap).
    ///
    /// # Errors
    ///
    /// [`HubDropped`] if the hub has been dropped.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: call it again.
    pub async fn resynchronise(&self) -> Result<(), HubDropped> {
        let router = self.router()?;
        for (topic, last) in self.interest.positions() {
            let filled = match last {
                Some(last) => self.fill(&router, &topic, last).await.ok(),
                None => None,
            };
            if let Some(Filled::Beyond(reached)) = filled {
                self.interest.reach(&topic, reached);
            }
            if filled != Some(Filled::Whole) {
                router.reserve().await.gap(&topic);
            }
        }
        self.reconnected();
        Ok(())
    }

    /// Synchronises one topic, if the position that it has reached at the engine is not that of the
    /// last message delivered here: reads the missing messages from the history, and delivers them.
    /// Its members receive a [`Gap`](crate::Notice::Gap) if the messages are no longer stored.
    /// [`Position::UNKNOWN`] always reads the history.
    ///
    /// Backends with [contiguous](super::Capabilities::contiguous) offsets use this instead of
    /// [`resynchronise`](Self::resynchronise) if they can request the positions of many topics at
    /// once. They also use it periodically, to detect that the last messages of a topic were lost.
    ///
    /// # Errors
    ///
    /// [`CatchUpError::History`] if the history could not be read: nothing is reported to the
    /// members, so call it again. [`CatchUpError::HubDropped`] if the hub has been dropped.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: call it again.
    pub async fn catch_up(&self, topic: &str, reached: Position) -> Result<(), CatchUpError> {
        let router = self.router()?;
        // Without a position, its members are still reading the history, or there are none.
        let Some(last) = self.interest.position(topic).filter(|&last| last != reached) else { return Ok(()) };
        if let Filled::Beyond(reached) = self.fill(&router, topic, last).await? {
            self.interest.reach(topic, reached);
            router.reserve().await.gap(topic);
        }
        Ok(())
    }

    /// Reports to the observer and the statistics that the connection to the engine is available
    /// again, and every topic is synchronised. Included in [`resynchronise`](Self::resynchronise).
    pub fn reconnected(&self) {
        if let Ok(router) = self.router() {
            router.shared.counters.backend.reconnected();
            router.shared.observe(|observer| observer.backend_resynchronised());
        }
    }

    /// Sets how long the message that is delivered next has waited on this node, for
    /// [`HubStats::backend_lag`](crate::HubStats). Zero if none is waiting.
    ///
    /// A backend that stores what it has received calls it before each delivery, and once nothing
    /// waits any more. A backend that delivers each message as it receives it never calls it: then
    /// messages wait in the engine, and the lag is zero except while the connection is lost, which
    /// [`disconnected`](Self::disconnected) reports.
    pub fn set_lag(&self, lag: Duration) {
        if let Ok(router) = self.router() {
            router.shared.counters.backend.set(lag);
        }
    }

    /// Handles a signal that was received from the engine, or sent by this node itself.
    ///
    /// # Errors
    ///
    /// [`HubDropped`] if the hub has been dropped.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the signal is handled completely or not at all.
    pub async fn signal(&self, signal: Signal) -> Result<(), HubDropped> {
        let router = self.router()?;
        match signal {
            Signal::Message { user, publication } => router.reserve().await.deliver_to_user(&user, publication),
            Signal::Disconnect { user, code, reason } => {
                for member in router.users.members(&user) {
                    member.close(&router.shared, code, &reason);
                }
            }
        }
        Ok(())
    }

    /// Returns the number of members of a topic on this node.
    #[must_use]
    pub fn members(&self, topic: &str) -> usize {
        self.router().map_or(0, |router| router.shared.topics.members(topic))
    }

    pub(super) fn router(&self) -> Result<Arc<Router>, HubDropped> {
        self.router.upgrade().ok_or(HubDropped)
    }

    /// Delivers the messages of the history after a position.
    async fn fill(&self, router: &Router, topic: &str, last: Position) -> Result<Filled, BackendError> {
        let history = self.history.upgrade().ok_or_else(|| BackendError::new(HubDropped))?;
        let history = history.read_history(topic, HistoryQuery::new(Some(last), 0)).await?;
        if !history.is_complete {
            return Ok(Filled::Beyond(history.reached));
        }
        for (position, publication) in history.messages {
            let slots = router.reserve().await;
            if self.interest.arrive(topic, position, false) == Arrival::Next {
                slots.deliver(topic, position, publication);
            }
        }
        Ok(Filled::Whole)
    }
}

/// The result of [`Node::fill`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filled {
    /// All messages were delivered.
    Whole,
    /// Some messages are no longer stored; the topic has reached this position.
    Beyond(Position),
}
