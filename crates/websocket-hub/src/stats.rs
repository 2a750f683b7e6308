//! The statistics of a hub.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::sync::lock;

/// The statistics of a hub on this node, returned by [`Hub::stats`](crate::Hub::stats). Counters
/// start at 0 when the hub is created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubStats {
    /// The number of members.
    pub members: usize,
    /// The number of topics that have members.
    pub topics: usize,
    /// The number of messages that are queued for slow members.
    pub queued_messages: usize,
    /// The size in bytes of the queued messages. A message that is queued for several members is
    /// counted for each.
    pub queued_bytes: usize,
    /// The number of messages received for the members of this node.
    pub published: u64,
    /// The number of messages passed to connections, counted for each member.
    pub delivered: u64,
    /// The number of messages that [`DropOldest`](crate::Overflow::DropOldest) dropped.
    pub dropped_oldest: u64,
    /// The number of messages that [`DropNewest`](crate::Overflow::DropNewest) dropped, including
    /// those that are larger than the limit of a queue.
    pub dropped_newest: u64,
    /// The number of messages that [`LatestOnly`](crate::Overflow::LatestOnly) replaced.
    pub replaced: u64,
    /// The number of members that [`Close`](crate::Overflow::Close) closed.
    pub closed_slow: u64,
    /// The number of messages that a member's protocol cannot transmit, such as binary messages in
    /// the hixie drafts, or that an extension refused.
    pub undeliverable: u64,
    /// The number of reported gaps, counted for each topic.
    pub gaps: u64,
    /// The number of panics in [`HubConfig::frame`](crate::HubConfig::frame) and in the observer.
    pub panics: u64,
    /// The time by which this node is behind its backend: how long the message that is delivered
    /// now has waited on this node, or, while the connection to the engine is lost, the time since
    /// then. Zero in process.
    pub backend_lag: Duration,
}

/// The counters behind [`HubStats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) members: AtomicUsize,
    pub(crate) queued_messages: AtomicUsize,
    pub(crate) queued_bytes: AtomicUsize,
    pub(crate) published: AtomicU64,
    pub(crate) delivered: AtomicU64,
    pub(crate) dropped_oldest: AtomicU64,
    pub(crate) dropped_newest: AtomicU64,
    pub(crate) replaced: AtomicU64,
    pub(crate) closed_slow: AtomicU64,
    pub(crate) undeliverable: AtomicU64,
    pub(crate) gaps: AtomicU64,
    pub(crate) panics: AtomicU64,
    pub(crate) backend: BackendLag,
}

/// The time by which a node is behind its backend.
#[derive(Debug, Default)]
pub(crate) struct BackendLag {
    micros: AtomicU64,
    /// The instant at which the connection to the engine was lost, if there is none.
    lost: Mutex<Option<Instant>>,
}

impl BackendLag {
    pub(crate) fn set(&self, lag: Duration) {
        self.micros.store(u64::try_from(lag.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Records that the connection was lost. Returns whether there was one before.
    pub(crate) fn disconnected(&self) -> bool {
        let mut lost = lock(&self.lost);
        let was_connected = lost.is_none();
        lost.get_or_insert_with(Instant::now);
        was_connected
    }

    pub(crate) fn reconnected(&self) {
        *lock(&self.lost) = None;
    }

    fn get(&self) -> Duration {
        let lost = lock(&self.lost).map(|since| since.elapsed());
        lost.unwrap_or_else(|| Duration::from_micros(self.micros.load(Ordering::Relaxed)))
    }
}

impl Counters {
    pub(crate) fn snapshot(&self, topics: usize) -> HubStats {
        HubStats {
            members: self.members.load(Ordering::Relaxed),
            topics,
            queued_messages: self.queued_messages.load(Ordering::Relaxed),
            queued_bytes: self.queued_bytes.load(Ordering::Relaxed),
            published: self.published.load(Ordering::Relaxed),
            delivered: self.delivered.load(Ordering::Relaxed),
            dropped_oldest: self.dropped_oldest.load(Ordering::Relaxed),
            dropped_newest: self.dropped_newest.load(Ordering::Relaxed),
            replaced: self.replaced.load(Ordering::Relaxed),
            closed_slow: self.closed_slow.load(Ordering::Relaxed),
            undeliverable: self.undeliverable.load(Ordering::Relaxed),
            gaps: self.gaps.load(Ordering::Relaxed),
            panics: self.panics.load(Ordering::Relaxed),
            backend_lag: self.backend.get(),
        }
    }
}

/// Adds to a counter, if there is anything to add.
pub(crate) fn count(counter: &AtomicU64, number: usize) {
    if number > 0 {
        counter.fetch_add(number as u64, Ordering::Relaxed);
    }
}
