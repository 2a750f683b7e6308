//! A member as seen by its shard: its subscriptions and its queue.

mod pending;
mod pump;
mod subscriptions;

use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tower_websocket::{CloseCode, PreparedBatch, PreparedMessage, SendError};

use self::pending::Pending;
use self::subscriptions::Subscription;
pub(crate) use self::subscriptions::{Joined, Reached};
use super::outlet::Outlet;
use super::queue::{Dropped, Rule, SubscriptionId, TooSlow};
use super::shared::SharedState;
use crate::config::Settings;
use crate::notice::{Notice, Notices};
use crate::publication::{Delivery, MemberId};
use crate::stats::count;
use crate::subscribe::Overflow;
use crate::sync::lock;

/// The subscription for messages to a user. It always exists.
const DIRECT: SubscriptionId = 0;

/// The state that is shared by the tasks of a hub.
pub(crate) type Shared = SharedState<Subscriber>;

/// The reason in the close frame for a slow member.
const TOO_SLOW: &str = "too slow to receive messages";

pub(crate) struct Subscriber<O: ?Sized = dyn Outlet> {
    id: u64,
    state: Mutex<State>,
    outlet: O,
}

struct State {
    /// Reallocated for each subscription, since most members have few, long-lived ones.
    subscriptions: Box<[Subscription]>,
    /// `Some` while messages are queued. Meanwhile, all messages go through the queue.
    pending: Option<Box<Pending>>,
    notices: Option<Box<Notices>>,
    last_subscription: SubscriptionId,
    /// Whether delivery has stopped.
    is_closed: bool,
}

/// A message or a notice for the members of a topic or of a user.
#[derive(Debug, Clone)]
pub(crate) enum Offer {
    Message(Arc<Delivery>),
    Gap(Arc<str>),
}

/// The messages for one member without a queue. Reused for all members to avoid allocations.
#[derive(Default)]
pub(crate) struct Direct<'a> {
    messages: Vec<&'a PreparedMessage>,
    /// In the order of `messages`.
    deliveries: Vec<(SubscriptionId, &'a Arc<Delivery>)>,
}

/// Messages of one topic for all its members.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Same<'a> {
    pub(crate) messages: &'a [&'a PreparedMessage],
    /// The same messages, if there are several of them and of members.
    pub(crate) joined: Option<&'a PreparedBatch>,
    /// In the order of `messages`.
    pub(crate) deliveries: &'a [Arc<Delivery>],
}

impl Direct<'_> {
    fn clear(&mut self) {
        self.messages.clear();
        self.deliveries.clear();
    }
}

/// Consequences that are detected with the lock held, and handled without it.
#[derive(Default)]
struct Outcome {
    dropped: Vec<(Arc<str>, Dropped)>,
    wakers: Vec<Waker>,
    too_slow: Option<(Option<Arc<str>>, CloseCode)>,
}

impl Subscriber {
    /// Creates a member. Members with consecutive numbers belong to different shards.
    pub(crate) fn new(outlet: impl Outlet) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Subscriber {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            state: Mutex::new(State {
                subscriptions: Box::default(),
                pending: None,
                notices: None,
                last_subscription: DIRECT,
                is_closed: false,
            }),
            outlet,
        })
    }

    pub(crate) fn id(&self, shared: &Shared) -> MemberId {
        MemberId { node: shared.node, member: self.id }
    }

    pub(crate) fn shard(&self, shared: &Shared) -> usize {
        (self.id % shared.shards.len() as u64) as usize
    }

    /// Passes messages and notices to the member, in one write if the connection accepts them.
    /// Called only by the task of the shard, so that the messages of each topic keep their order.
    pub(crate) fn offer<'a>(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        offers: impl Iterator<Item = &'a Offer>,
        direct: &mut Direct<'a>,
    ) {
        let id = self.id(shared);
        direct.clear();
        let mut outcome = Outcome::default();
        let mut state = lock(&self.state);
        for offer in offers {
            if state.is_closed {
                break;
            }
            match offer {
                Offer::Gap(topic) => outcome.wakers.extend(state.gap(topic)),
                Offer::Message(delivery) => {
                    let Some(subscription) = state.live_subscription(delivery) else { continue };
                    if !delivery.is_for(id) {
                        continue;
                    }
                    // Framed before the lock was taken.
                    let Some(prepared) = shared.prepared(delivery) else { continue };
                    if state.pending.is_some() {
                        state.enqueue(shared, subscription, delivery, &mut outcome);
                    } else {
                        direct.messages.push(prepared);
                        direct.deliveries.push((subscription, delivery));
                    }
                }
            }
        }
        drop(state);
        if !direct.messages.is_empty() {
            self.send_directly(shared, &direct.messages, None, |index| direct.deliveries[index], &mut outcome);
        }
        self.conclude(shared, outcome);
    }

    /// Like [`offer`](Self::offer), for messages of one topic that exclude no member, which is the
    /// most frequent case.
    pub(crate) fn offer_same(self: &Arc<Self>, shared: &Arc<Shared>, same: &Same<'_>) {
        let mut outcome = Outcome::default();
        let mut state = lock(&self.state);
        // All messages have the same topic.
        let Some(subscription) = same.deliveries.first().and_then(|first| state.subscription(first)) else { return };
        let (id, is_joining) = (subscription.id, subscription.joining().is_some());
        if subscription.may_repeat() && !is_joining && state.pending.is_none() {
            let new: Vec<_> = (0..same.deliveries.len())
                .filter(|&index| state.live_subscription(&same.deliveries[index]).is_some())
                .collect();
            drop(state);
            let messages: Vec<_> = new.iter().map(|&index| same.messages[index]).collect();
            self.send_directly(shared, &messages, None, |index| (id, &same.deliveries[new[index]]), &mut outcome);
        } else if is_joining || state.pending.is_some() {
            for delivery in same.deliveries {
                if state.is_closed {
                    break;
                }
                if let Some(subscription) = state.live_subscription(delivery) {
                    state.enqueue(shared, subscription, delivery, &mut outcome);
                }
            }
            drop(state);
        } else {
            drop(state);
            let delivery_of = |index: usize| (id, &same.deliveries[index]);
            self.send_directly(shared, same.messages, same.joined, delivery_of, &mut outcome);
        }
        self.conclude(shared, outcome);
    }

    /// Sends messages, and queues those that do not fit.
    fn send_directly<'a>(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        messages: &[&PreparedMessage],
        joined: Option<&PreparedBatch>,
        delivery_of: impl Fn(usize) -> (SubscriptionId, &'a Arc<Delivery>),
        outcome: &mut Outcome,
    ) {
        let Some(sent) = self.send_all(shared, messages, joined) else {
            return self.leave_all(shared);
        };
        if sent == messages.len() {
            return;
        }
        let mut state = lock(&self.state);
        // A resumption may have created a queue meanwhile, and then its task also drains these
        // messages.
        let is_draining = state.pending.is_some();
        for (subscription, delivery) in (sent..messages.len()).map(delivery_of) {
            if !state.is_closed && state.rule(subscription, &shared.settings).is_some() {
                state.enqueue(shared, subscription, delivery, outcome);
            }
        }
        if !is_draining && state.pending.is_some() {
            drop(state);
            self.spawn_drain(shared);
        }
    }

    /// Sends as many messages as fit. Returns their number, or `None` if the connection is gone.
    fn send_all(
        &self,
        shared: &Shared,
        messages: &[&PreparedMessage],
        joined: Option<&PreparedBatch>,
    ) -> Option<usize> {
        let (mut done, mut refused) = (0, 0);
        while done < messages.len() {
            let sent = match joined {
                Some(joined) if done == 0 => self.outlet.try_send_joined(joined),
                _ => self.outlet.try_send(&messages[done..]),
            };
            match sent {
                Ok(0) => break,
                Ok(sent) => done += sent,
                Err(SendError::Closed) => return None,
                Err(SendError::OutputFull) => break,
                // This connection's protocol cannot transmit the message.
                Err(_) => (done, refused) = (done + 1, refused + 1),
            }
        }
        count(&shared.counters.undeliverable, refused);
        count(&shared.counters.delivered, done - refused);
        Some(done)
    }

    /// Handles the consequences, without the lock.
    fn conclude(self: &Arc<Self>, shared: &Arc<Shared>, outcome: Outcome) {
        for waker in outcome.wakers {
            waker.wake();
        }
        for (topic, dropped) in outcome.dropped {
            count(&shared.counters.dropped_oldest, dropped.oldest);
            count(&shared.counters.dropped_newest, dropped.newest);
            count(&shared.counters.replaced, dropped.replaced);
            if dropped.missed() > 0 {
                shared.observe(|observer| observer.lagged(&topic, dropped.missed() as u64));
            }
        }
        if let Some((topic, code)) = outcome.too_slow {
            count(&shared.counters.closed_slow, 1);
            self.close(shared, code, TOO_SLOW);
            shared.observe(|observer| observer.closed_slow(topic.as_deref(), code));
        }
    }

    /// Closes the connection.
    pub(crate) fn close(&self, shared: &Shared, code: CloseCode, reason: &str) {
        self.leave_all(shared);
        self.outlet.close(code, reason);
    }

    /// Ends all subscriptions permanently.
    pub(crate) fn leave_all(&self, shared: &Shared) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        let (subscriptions, pending) = (mem::take(&mut state.subscriptions), state.pending.take());
        drop(state);
        drop(pending);
        for subscription in subscriptions {
            self.release(shared, &subscription);
        }
    }

    /// Waits for a notice.
    pub(crate) fn poll_notice(&self, cx: &mut Context<'_>) -> Poll<Notice> {
        let mut state = lock(&self.state);
        let notices = state.notices.get_or_insert_default();
        match notices.pop() {
            Some(notice) => Poll::Ready(notice),
            None => {
                notices.register(cx.waker());
                Poll::Pending
            }
        }
    }
}

impl State {
    /// Returns the subscription to the topic of a message.
    fn subscription(&mut self, delivery: &Delivery) -> Option<&mut Subscription> {
        let topic = delivery.topic.as_ref()?;
        self.subscriptions.iter_mut().find(|subscription| subscription.is_of(topic))
    }

    /// Returns the subscription of a message if it exists and is live. A subscription that is not
    /// live yet stores the message.
    fn live_subscription(&mut self, delivery: &Arc<Delivery>) -> Option<SubscriptionId> {
        if delivery.topic.is_none() {
            return Some(DIRECT);
        }
        let subscription = self.subscription(delivery)?;
        let (id, limit) = (subscription.id, subscription.rule.limit);
        if let Some(joining) = subscription.joining() {
            joining.keep(delivery, limit);
            return None;
        }
        (!subscription.repeats(delivery.position)).then_some(id)
    }

    fn rule(&self, subscription: SubscriptionId, settings: &Settings) -> Option<Rule> {
        if subscription == DIRECT {
            return Some(Rule { limit: settings.direct_queue, overflow: Overflow::default() });
        }
        let subscription = self.subscriptions.iter().find(|known| known.id == subscription)?;
        Some(subscription.rule)
    }

    fn topic(&self, subscription: SubscriptionId) -> Option<Arc<str>> {
        let subscription = self.subscriptions.iter().find(|known| known.id == subscription)?;
        Some(subscription.topic.clone())
    }

    /// Puts a message into the queue.
    fn enqueue(
        &mut self,
        shared: &Arc<Shared>,
        subscription: SubscriptionId,
        delivery: &Arc<Delivery>,
        outcome: &mut Outcome,
    ) {
        let Some(rule) = self.rule(subscription, &shared.settings) else { return };
        let pending = self.pending.get_or_insert_with(|| Box::new(Pending::new(shared.clone())));
        match pending.push(subscription, delivery, rule) {
            Ok(dropped) => self.note_dropped(subscription, dropped, outcome),
            Err(too_slow) => self.note_too_slow(too_slow, outcome),
        }
    }

    fn note_dropped(&mut self, subscription: SubscriptionId, dropped: Dropped, outcome: &mut Outcome) {
        if dropped == Dropped::default() {
            return;
        }
        if let Some(topic) = self.topic(subscription) {
            if dropped.missed() > 0 {
                let notices = self.notices.get_or_insert_default();
                outcome.wakers.extend(notices.lag(&topic, dropped.missed() as u64));
            }
            outcome.dropped.push((topic, dropped));
        }
    }

    fn note_too_slow(&mut self, TooSlow(subscription, code): TooSlow, outcome: &mut Outcome) {
        self.is_closed = true;
        outcome.too_slow = Some((self.topic(subscription), code));
    }

    fn gap(&mut self, topic: &Arc<str>) -> Option<Waker> {
        if self.subscriptions.iter().any(|subscription| subscription.is_of(topic)) {
            self.notices.get_or_insert_default().gap(topic)
        } else {
            None
        }
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_member_is_small() {
        // Next to the sender of its connection, which has 32 bytes.
        assert!(size_of::<Mutex<State>>() <= 48, "{}", size_of::<Mutex<State>>());
        assert!(size_of::<Subscription>() <= 48, "{}", size_of::<Subscription>());
    }
}
