use std::sync::{Arc, Weak};
use std::time::Duration;

use super::history::{HistoryQuery, ReadHistory};
use super::signal::Signal;
use crate::delivery::router::Router;
use crate::error::{BackendError, CatchUpError, HubDropped};
use crate::interest::{Arrival, Interest};
use crate::position::Position;
use crate::publication::Publication;

/// The hub of this node, as its backend sees it: where messages from the engine are handed over. Cheap to clone.
///
/// A backend calls its methods from one task, one after the other, in the order in which the engine delivers. Each waits while the
/// members of this node do not keep up, so what a client library buffers meanwhile must be bounded.
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
    /// Returns the number of this node, which is random.
    ///
    /// # Errors
    ///
    /// [`HubDropped`] if there is no hub any more.
    pub fn id(&self) -> Result<u64, HubDropped> {
        Ok(self.router()?.shared.node)
    }

    /// Delivers a message that has arrived from the engine. Messages without a position are delivered as they arrive. Of the others,
    /// those that have arrived before are ignored. If offsets are [contiguous](super::Capabilities::contiguous) and some are
    /// missing, these are read from the history first; members get a [`Gap`](crate::Notice::Gap) for those that are not there.
    ///
    /// # Errors
    ///
    /// [`HubDropped`] if there is no hub any more, so that the backend can end.
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
                // It may have been in the history as well.
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

    /// Reports that messages of a topic may have been lost, to its members on this node.
    ///
    /// # Errors
    ///
    /// [`HubDropped`] if there is no hub any more.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is reported, or all.
    pub async fn gap(&self, topic: &str) -> Result<(), HubDropped> {
        self.router()?.reserve().await.gap(topic);
        Ok(())
    }

    /// Notes that the connection to the engine was lost, for the observer and the statistics. Once more before it is back, it does
    /// nothing. Members are notified by
    /// [`resynchronise`](Self::resynchronise) or [`catch_up`](Self::catch_up) once it is known what they have missed.
    pub fn disconnected(&self) {
        if let Ok(router) = self.router()
            && router.shared.counters.backend.disconnected()
        {
            router.shared.observe(|observer| observer.backend_lost());
        }
    }

    /// Brings every topic up to date after the connection to the engine was lost, and all topics were subscribed again: what was
    /// published meanwhile is read from the history and delivered. Members of topics for which that is impossible get a
    /// [`Gap`](crate::Notice::Gap).
    ///
    /// # Errors
    ///
    /// [`HubDropped`] if there is no hub any more.
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

    /// Brings one topic up to date, if the position that it has reached at the engine is not that of the last message delivered
    /// here: what is missing is read from the history and delivered. Its members get a [`Gap`](crate::Notice::Gap) if that is not
    /// kept any more. [`Position::UNKNOWN`] always reads the history.
    ///
    /// Backends with [contiguous](super::Capabilities::contiguous) offsets use it instead of [`resynchronise`](Self::resynchronise)
    /// if they can ask for the positions of many topics at once, and from time to time to find the last messages of a topic that
    /// were lost silently.
    ///
    /// # Errors
    ///
    /// [`CatchUpError::History`] if the history could not be read: nothing is reported to the members, so call it again.
    /// [`CatchUpError::HubDropped`] if there is no hub any more.
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

    /// Notes that the connection to the engine is available again and that every topic is up to date, for the observer and the
    /// statistics. [`resynchronise`](Self::resynchronise) includes it.
    pub fn reconnected(&self) {
        if let Ok(router) = self.router() {
            router.shared.counters.backend.reconnected();
            router.shared.observe(|observer| observer.backend_resynchronised());
        }
    }

    /// Notes how long the message that is delivered now has waited on this node, for [`HubStats::backend_lag`](crate::HubStats).
    /// Zero if none waits.
    pub fn set_lag(&self, lag: Duration) {
        if let Ok(router) = self.router() {
            router.shared.counters.backend.set(lag);
        }
    }

    /// Handles a signal that has arrived from the engine, or from this node itself.
    ///
    /// # Errors
    ///
    /// [`HubDropped`] if there is no hub any more.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it is handled whole or not at all.
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

    /// Delivers what the history has behind a position.
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

/// The outcome of [`Node::fill`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filled {
    /// All were delivered.
    Whole,
    /// Some are not kept any more; the topic has reached this position.
    Beyond(Position),
}
