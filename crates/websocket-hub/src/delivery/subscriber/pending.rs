use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::AbortHandle;
use tower_websocket::config::Charge;

use super::super::queue::{AllDropped, Dropped, Entry, Queue, Rule, SubscriptionId, TooSlow};
use super::Shared;
use crate::publication::Delivery;

/// The queue of a member, with its share of the statistics and of the budget.
pub(super) struct Pending {
    queue: Queue<Arc<Delivery>>,
    /// The task that waits until the connection has room.
    drain: Option<AbortHandle>,
    shared: Arc<Shared>,
    charge: Option<Charge>,
    /// The messages and bytes that are included in the statistics.
    reported: (usize, usize),
}

impl Pending {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let charge = shared.settings.budget.as_ref().map(Charge::new);
        Self { queue: Queue::default(), drain: None, shared, charge, reported: (0, 0) }
    }

    pub(super) fn push(
        &mut self,
        id: SubscriptionId,
        delivery: &Arc<Delivery>,
        rule: Rule,
    ) -> Result<Dropped, TooSlow> {
        let len = self.len_of(delivery);
        let pushed = self.queue.push(id, len, delivery.clone(), rule, self.shared.settings.member_queue);
        self.report();
        pushed
    }

    pub(super) fn push_uncounted(&mut self, id: SubscriptionId, delivery: Arc<Delivery>) {
        let len = self.len_of(&delivery);
        self.queue.push_uncounted(id, len, delivery);
        self.report();
    }

    pub(super) fn take(&mut self, most: usize) -> Vec<Entry<Arc<Delivery>>> {
        let taken = self.queue.take(most);
        self.report();
        taken
    }

    pub(super) fn restore(
        &mut self,
        entries: impl DoubleEndedIterator<Item = Entry<Arc<Delivery>>>,
        rule_of: impl Fn(SubscriptionId) -> Option<Rule>,
    ) -> Result<AllDropped, TooSlow> {
        let restored = self.queue.restore(entries, rule_of);
        self.report();
        restored
    }

    pub(super) fn forget(&mut self, id: SubscriptionId) {
        self.queue.forget(id);
        self.report();
    }

    pub(super) fn set_drain(&mut self, drain: AbortHandle) {
        // A task that has finished belonged to a previous queue.
        if !drain.is_finished() {
            self.drain = Some(drain);
        }
    }

    fn len_of(&self, delivery: &Delivery) -> usize {
        delivery.publication.charge(self.shared.settings.budget.as_ref());
        self.shared.prepared(delivery).map_or(0, |prepared| prepared.message().len())
    }

    fn report(&mut self) {
        let size = self.queue.size();
        let counters = &self.shared.counters;
        // Wraps around if the number decreases, as does the difference.
        counters.queued_messages.fetch_add(size.0.wrapping_sub(self.reported.0), Ordering::Relaxed);
        counters.queued_bytes.fetch_add(size.1.wrapping_sub(self.reported.1), Ordering::Relaxed);
        self.reported = size;
        if let Some(charge) = &mut self.charge {
            charge.set(self.queue.overhead());
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.queue = Queue::default();
        self.report();
        if let Some(drain) = self.drain.take() {
            drain.abort();
        }
    }
}
