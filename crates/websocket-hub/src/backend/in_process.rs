mod ring;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use self::ring::Ring;
use super::history::{History, HistoryQuery};
use super::node::Node;
use super::signal::Signal;
use super::{Backend, Capabilities, Presence};
use crate::config::HistoryLimit;
use crate::error::{BackendError, HubDropped};
use crate::position::Position;
use crate::publication::Publication;
use crate::sync::lock;

/// The number of locks over which the topics are distributed.
const STRIPES: usize = 16;

/// The backend of a single-process hub. Messages do not leave the process, and the history is
/// stored in its memory. A new backend starts a new epoch.
#[derive(Debug)]
pub struct InProcess(Arc<State>);

struct State {
    epoch: u64,
    limit: Option<HistoryLimit>,
    hasher: RandomState,
    stripes: Box<[Mutex<Stripe>]>,
    /// The number of rings.
    rings: AtomicUsize,
    /// Notified when the first ring is created, which will have to be removed.
    has_rings: Arc<Notify>,
    node: OnceLock<Node>,
}

#[derive(Default)]
struct Stripe {
    /// The offset of the last message in the stripe. It is shared by all topics of the stripe, so
    /// that a topic that was removed continues with larger offsets.
    offset: u64,
    rings: HashMap<Arc<str>, Ring>,
}

impl InProcess {
    /// Creates a backend with this history limit, or without a history.
    pub fn new(history: impl Into<Option<HistoryLimit>>) -> Self {
        Self(Arc::new(State {
            // 0 is the epoch of `Position::UNKNOWN`.
            epoch: rand::random_range(1..=u64::MAX),
            limit: history.into(),
            hasher: RandomState::new(),
            stripes: (0..STRIPES).map(|_| Mutex::default()).collect(),
            rings: AtomicUsize::new(0),
            has_rings: Arc::new(Notify::new()),
            node: OnceLock::new(),
        }))
    }

    /// Attaches the backend to its node, without connecting.
    pub(crate) fn attach(&self, node: Node) -> Result<(), HubDropped> {
        if self.0.limit.is_some() {
            let router = node.router()?;
            router.shared.runtime.spawn(expire(Arc::downgrade(&self.0)));
        }
        // A second hub receives no messages.
        let _ = self.0.node.set(node);
        Ok(())
    }
}

impl Backend for InProcess {
    fn capabilities(&self) -> Capabilities {
        let capabilities = Capabilities::new();
        if self.0.limit.is_some() { capabilities.history() } else { capabilities }
    }

    async fn start(&self, node: Node) -> Result<(), BackendError> {
        self.attach(node).map_err(BackendError::new)
    }

    async fn publish(&self, topic: &str, publication: Publication) -> Result<Position, BackendError> {
        let router = self.0.node()?.router().map_err(BackendError::new)?;
        // Room is reserved first, so that numbering and delivering are one step.
        let slots = router.reserve().await;
        let mut stripe = lock(self.0.stripe(topic));
        let before = stripe.offset;
        stripe.offset += 1;
        let position = Position::new(self.0.epoch, stripe.offset);
        if let Some(ring) = self.0.ring(&mut stripe, topic, before) {
            publication.charge(router.shared.settings.budget.as_ref());
            ring.push(position, publication.clone());
        }
        slots.deliver(topic, position, publication);
        Ok(position)
    }

    async fn history(&self, topic: &str, query: HistoryQuery) -> Result<History, BackendError> {
        let mut stripe = lock(self.0.stripe(topic));
        let offset = stripe.offset;
        let reached = Position::new(self.0.epoch, offset);
        let since = query.since.filter(|since| since.is_covered_by(reached));
        let Some(ring) = self.0.ring(&mut stripe, topic, offset) else {
            // Complete only if no topic of the stripe has a message after `since`.
            let is_complete = query.since.is_none() || since == Some(reached);
            return Ok(History::new(reached, Vec::new(), is_complete));
        };
        ring.touch();
        match since {
            Some(since) if ring.reaches_back_to(since) => Ok(History::new(reached, ring.since(since), true)),
            _ => Ok(History::new(reached, ring.recent(query.recent), query.since.is_none())),
        }
    }

    async fn signal(&self, signal: Signal) -> Result<(), BackendError> {
        self.0.node()?.signal(signal).await.map_err(BackendError::new)
    }

    async fn count(&self, topic: &str) -> Result<Presence, BackendError> {
        let members = self.0.node()?.members(topic);
        Ok(Presence::new(members, usize::from(members > 0), Duration::ZERO))
    }
}

impl State {
    fn node(&self) -> Result<&Node, BackendError> {
        self.node.get().ok_or_else(|| BackendError::new(HubDropped))
    }

    fn stripe(&self, topic: &str) -> &Mutex<Stripe> {
        &self.stripes[self.hasher.hash_one(topic) as usize % STRIPES]
    }

    /// Returns the history of a topic, and creates it with `offset` as its start if needed. Returns
    /// `None` if the topic has no history.
    fn ring<'a>(&self, stripe: &'a mut Stripe, topic: &str, offset: u64) -> Option<&'a mut Ring> {
        let limit = self.limit?;
        if !stripe.rings.contains_key(topic) {
            if self.rings.fetch_add(1, Ordering::Relaxed) >= limit.topics {
                self.rings.fetch_sub(1, Ordering::Relaxed);
                return None;
            }
            stripe.rings.insert(topic.into(), Ring::new(limit, offset));
            self.has_rings.notify_one();
        }
        let ring = stripe.rings.get_mut(topic)?;
        ring.trim();
        Some(ring)
    }

    /// Drops expired messages, and topics that are no longer needed.
    fn sweep(&self) {
        for stripe in &self.stripes {
            let mut stripe = lock(stripe);
            let before = stripe.rings.len();
            stripe.rings.retain(|topic, ring| {
                ring.trim();
                if self.node.get().is_some_and(|node| node.members(topic) > 0) {
                    ring.touch();
                }
                !ring.is_expired()
            });
            self.rings.fetch_sub(before - stripe.rings.len(), Ordering::Relaxed);
        }
    }
}

/// Drops expired messages until the backend is dropped. Sleeps while there are no topics.
async fn expire(state: Weak<State>) {
    loop {
        let Some((age, has_rings)) = state.upgrade().and_then(|state| {
            let is_empty = state.rings.load(Ordering::Relaxed) == 0;
            Some((state.limit?.age, is_empty.then(|| state.has_rings.clone())))
        }) else {
            return;
        };
        match has_rings {
            Some(has_rings) => has_rings.notified().await,
            // Removes messages soon after they expire, without checking unexpired ones too often.
            None => sleep((age / 4).clamp(Duration::from_millis(100), Duration::from_secs(60))).await,
        }
        if let Some(state) = state.upgrade() {
            state.sweep();
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // Wakes the task, which then ends.
        self.has_rings.notify_one();
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").field("limit", &self.limit).field("topics", &self.rings).finish_non_exhaustive()
    }
}
