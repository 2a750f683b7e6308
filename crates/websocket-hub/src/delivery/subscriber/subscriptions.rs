//! The start and the end of subscriptions. While the history is read, live messages are stored.
//! Then both are merged, and the subscription is live.

use std::mem;
use std::sync::Arc;

use super::super::queue::{Rule, SubscriptionId};
use super::Shared;
use super::pending::Pending;
use super::{State, Subscriber};
use crate::error::SubscribeError;
use crate::interest::Lease;
use crate::position::Position;
use crate::publication::Delivery;
use crate::subscribe::QueueLimit;
use crate::sync::lock;

pub(super) struct Subscription {
    pub(super) topic: Arc<str>,
    pub(super) rule: Rule,
    /// The position in the topic of the shard.
    slot: u32,
    pub(super) id: SubscriptionId,
    /// Boxed, as most subscriptions need none.
    extra: Option<Box<Extra>>,
}

#[derive(Default)]
struct Extra {
    /// `Some` until the subscription is live.
    joining: Option<Joining>,
    /// The end of the messages sent from the history, until a later message arrives. Earlier ones
    /// may still be waiting for delivery.
    reached: Option<Position>,
    /// Keeps the backend subscribed to the topic, if there is one.
    lease: Option<Lease>,
}

/// The messages that were published before a subscription was live.
#[derive(Default)]
pub(super) struct Joining {
    kept: Vec<Arc<Delivery>>,
    bytes: usize,
    /// Whether more messages were published than can be stored, so that the history must be read
    /// again.
    has_overflowed: bool,
}

/// The end of the history that was read for a subscription.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reached {
    pub(crate) position: Position,
    /// Whether the client has the messages up to here, or receives them from the history.
    pub(crate) is_sent: bool,
}

/// The result of going live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joined {
    Live,
    /// Like [`Live`](Self::Live), but more messages were published meanwhile than can be stored.
    LiveWithLoss,
    /// The history must be read again.
    Again,
    /// The subscription has ended in the meantime.
    Ended,
}

impl Subscription {
    /// `topic` must be the shared name of the topic.
    pub(super) fn is_of(&self, topic: &Arc<str>) -> bool {
        Arc::ptr_eq(&self.topic, topic)
    }

    /// Returns the stored messages, unless the subscription is live.
    pub(super) fn joining(&mut self) -> Option<&mut Joining> {
        self.extra.as_mut()?.joining.as_mut()
    }

    /// Returns whether messages may arrive that were sent from the history.
    pub(super) fn may_repeat(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.reached.is_some())
    }

    /// Returns whether a message was sent from the history.
    pub(super) fn repeats(&mut self, position: Position) -> bool {
        let Some(extra) = &mut self.extra else { return false };
        let Some(reached) = extra.reached else { return false };
        if position.is_known() && !position.is_covered_by(reached) {
            extra.reached = None;
            if extra.lease.is_none() {
                self.extra = None;
            }
        }
        position.is_covered_by(reached)
    }

    fn is_joining(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.joining.is_some())
    }
}

impl Joining {
    pub(super) fn keep(&mut self, delivery: &Arc<Delivery>, limit: QueueLimit) {
        self.bytes = self.bytes.saturating_add(delivery.publication.message().len());
        if self.kept.len() < limit.messages() && self.bytes <= limit.bytes() && !self.has_overflowed {
            self.kept.push(delivery.clone());
        } else {
            self.kept = Vec::new();
            self.has_overflowed = true;
        }
    }
}

impl Subscriber {
    /// Starts to subscribe. Returns the shared name of the topic.
    pub(crate) fn begin(
        self: &Arc<Self>,
        shared: &Shared,
        topic: &str,
        rule: Rule,
    ) -> Result<(SubscriptionId, Arc<str>), SubscribeError> {
        let max = shared.settings.max_topics_per_member;
        let check = |state: &State| {
            if state.is_closed {
                return Err(SubscribeError::Closed);
            }
            if state.subscriptions.iter().any(|subscription| *subscription.topic == *topic) {
                return Err(SubscribeError::AlreadySubscribed);
            }
            if state.subscriptions.len() >= max { Err(SubscribeError::TooManyTopics(max)) } else { Ok(()) }
        };
        check(&lock(&self.state))?;
        let shard = self.shard(shared);
        let name =
            shared.topics.enter(topic, shard).map_err(|_| SubscribeError::HubFull(shared.settings.max_topics))?;
        let slot = shared.shards[shard].insert(&name, self);
        let mut state = lock(&self.state);
        // The member may have been closed meanwhile, or subscribed by another call.
        if let Err(error) = check(&state) {
            drop(state);
            shared.shards[shard].remove(topic, slot);
            shared.topics.leave(topic, shard);
            return Err(error);
        }
        // 0 is the subscription for messages to the user.
        let id = state.last_subscription.checked_add(1).unwrap_or(1);
        state.last_subscription = id;
        let extra = Some(Box::new(Extra { joining: Some(Joining::default()), ..Extra::default() }));
        let mut subscriptions = mem::take(&mut state.subscriptions).into_vec();
        subscriptions.reserve_exact(1);
        subscriptions.push(Subscription { topic: name.clone(), rule, slot: slot as u32, id, extra });
        state.subscriptions = subscriptions.into();
        Ok((id, name))
    }

    /// Sends the missed messages, then the stored ones, and makes the subscription live. A resuming
    /// client gets no message up to `reached` again.
    pub(crate) fn go_live(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        id: SubscriptionId,
        missed: &[Arc<Delivery>],
        reached: Reached,
        lease: &mut Option<Lease>,
        is_last: bool,
    ) -> Joined {
        // Framed without the lock, since this calls application code.
        for delivery in missed {
            let _ = shared.prepared(delivery);
        }
        let mut state = lock(&self.state);
        let Some(subscription) = state.subscriptions.iter_mut().find(|subscription| subscription.id == id) else {
            return Joined::Ended;
        };
        let Some(joining) = subscription.joining() else {
            return Joined::Ended;
        };
        let has_overflowed = joining.has_overflowed;
        if has_overflowed && !is_last {
            *joining = Joining::default();
            return Joined::Again;
        }
        let kept = joining.kept.iter().filter(|kept| !kept.position.is_covered_by(reached.position));
        let has_later =
            joining.kept.iter().any(|kept| kept.position.is_known() && !kept.position.is_covered_by(reached.position));
        let me = self.id(shared);
        let all: Vec<_> = missed.iter().chain(kept).filter(|delivery| delivery.is_for(me)).cloned().collect();
        let lease = lease.take();
        let reached = (reached.is_sent && !has_later).then_some(reached.position);
        let extra = (lease.is_some() || reached.is_some()).then(|| Extra { joining: None, reached, lease });
        subscription.extra = extra.map(Box::new);
        let joined = if has_overflowed { Joined::LiveWithLoss } else { Joined::Live };
        if all.is_empty() {
            return joined;
        }
        let is_draining = state.pending.is_some();
        let pending = state.pending.get_or_insert_with(|| Box::new(Pending::new(shared.clone())));
        for delivery in all {
            if shared.prepared(&delivery).is_some() {
                pending.push_uncounted(id, delivery);
            }
        }
        drop(state);
        if !is_draining {
            self.begin_drain(shared);
        }
        joined
    }

    /// Ends a subscription by its topic. Returns whether there was one.
    pub(crate) fn leave(&self, shared: &Shared, topic: &str) -> bool {
        self.leave_if(shared, |subscription| *subscription.topic == *topic)
    }

    /// Ends a subscription that did not become live.
    pub(crate) fn abandon(&self, shared: &Shared, id: SubscriptionId) {
        self.leave_if(shared, |subscription| subscription.id == id && subscription.is_joining());
    }

    fn leave_if(&self, shared: &Shared, is_left: impl Fn(&Subscription) -> bool) -> bool {
        let mut state = lock(&self.state);
        let Some(index) = state.subscriptions.iter().position(is_left) else {
            return false;
        };
        let mut subscriptions = mem::take(&mut state.subscriptions).into_vec();
        let subscription = subscriptions.swap_remove(index);
        state.subscriptions = subscriptions.into();
        if let Some(pending) = &mut state.pending {
            pending.forget(subscription.id);
        }
        if let Some(notices) = &mut state.notices {
            notices.forget(&subscription.topic);
        }
        drop(state);
        self.release(shared, &subscription);
        true
    }

    /// Removes an ended subscription from the topic of the shard.
    pub(super) fn release(&self, shared: &Shared, subscription: &Subscription) {
        let shard = self.shard(shared);
        shared.shards[shard].remove(&subscription.topic, subscription.slot as usize);
        shared.topics.leave(&subscription.topic, shard);
    }
}
