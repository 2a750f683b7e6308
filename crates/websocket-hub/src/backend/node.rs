use std::sync::{Arc, Weak};

use super::history::{HistoryQuery, ReadHistory};
use super::signal::Signal;
use crate::delivery::router::Router;
use crate::error::HubDropped;
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
                if self.fill(&router, topic, last).await != Filled::Whole {
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

    /// Notes that the connection to the engine was lost, for the observer. Members are notified by
    /// [`resynchronise`](Self::resynchronise) once it is known what they have missed.
    pub fn disconnected(&self) {
        if let Ok(router) = self.router() {
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
                Some(last) => self.fill(&router, &topic, last).await,
                None => Filled::Not,
            };
            if let Filled::Beyond(reached) = filled {
                self.interest.reach(&topic, reached);
            }
            if filled != Filled::Whole {
                router.reserve().await.gap(&topic);
            }
        }
        router.shared.observe(|observer| observer.backend_resynchronised());
        Ok(())
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
    async fn fill(&self, router: &Router, topic: &str, last: Position) -> Filled {
        let Some(history) = self.history.upgrade() else { return Filled::Not };
        let Ok(history) = history.read_history(topic, HistoryQuery::new(Some(last), 0)).await else {
            return Filled::Not;
        };
        if !history.is_complete {
            return Filled::Beyond(history.reached);
        }
        for (position, publication) in history.messages {
            let slots = router.reserve().await;
            if self.interest.arrive(topic, position, false) == Arrival::Next {
                slots.deliver(topic, position, publication);
            }
        }
        Filled::Whole
    }
}

/// The outcome of [`Node::fill`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filled {
    /// All were delivered.
    Whole,
    /// Some are not kept any more; the topic has reached this position.
    Beyond(Position),
    /// The history could not be read.
    Not,
}
