//! The messages that are queued for a slow member, and the overflow rules. Independent of
//! connections and topics, so that it can be tested against a model.

use std::collections::VecDeque;

use tower_websocket::CloseCode;

use crate::subscribe::{Overflow, QueueLimit};

/// Identifies a subscription of the member, also after it has ended.
pub(crate) type SubscriptionId = u32;

/// The limits of a subscription.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) limit: QueueLimit,
    pub(crate) overflow: Overflow,
}

#[derive(Debug)]
pub(crate) struct Queue<M> {
    entries: VecDeque<Entry<M>>,
    /// One element for each subscription with counted entries.
    counts: Vec<Count>,
    total: Count,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry<M> {
    pub(crate) subscription: SubscriptionId,
    pub(crate) len: usize,
    pub(crate) message: M,
    /// Whether the entry counts against the limits. Messages of a resumption do not, as the history
    /// contains them anyway.
    is_counted: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    subscription: SubscriptionId,
    messages: usize,
    bytes: usize,
}

/// The numbers of dropped and replaced messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) oldest: usize,
    pub(crate) newest: usize,
    pub(crate) replaced: usize,
}

/// The messages that were dropped, by subscription.
pub(crate) type AllDropped = Vec<(SubscriptionId, Dropped)>;

impl Dropped {
    /// Returns the number of messages that the member will miss.
    pub(crate) fn missed(&self) -> usize {
        self.oldest + self.newest
    }
}

/// The member must be closed with this code, because of this subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooSlow(pub(crate) SubscriptionId, pub(crate) CloseCode);

impl Count {
    fn add(&mut self, len: usize) {
        self.messages += 1;
        self.bytes += len;
    }

    fn remove(&mut self, len: usize) {
        self.messages -= 1;
        self.bytes -= len;
    }

    fn has_room(&self, len: usize, limit: QueueLimit) -> bool {
        self.messages < limit.messages() && self.bytes.saturating_add(len) <= limit.bytes()
    }

    fn is_over(&self, limit: QueueLimit) -> bool {
        self.messages > limit.messages() || self.bytes > limit.bytes()
    }
}

impl<M> Default for Queue<M> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), counts: Vec::new(), total: Count::default() }
    }
}

impl<M> Queue<M> {
    /// Appends a message, following the overflow rule of its subscription and the limit of the
    /// whole queue.
    pub(crate) fn push(
        &mut self,
        subscription: SubscriptionId,
        len: usize,
        message: M,
        rule: Rule,
        total: QueueLimit,
    ) -> Result<Dropped, TooSlow> {
        let mut dropped = Dropped::default();
        if rule.overflow == Overflow::LatestOnly && Count::default().has_room(len, rule.limit) {
            while self.remove_oldest(subscription) {
                dropped.replaced += 1;
            }
        }
        while !self.count(subscription).has_room(len, rule.limit) || !self.total.has_room(len, total) {
            match rule.overflow {
                Overflow::Close(code) => return Err(TooSlow(subscription, code)),
                Overflow::DropOldest
                    if Count::default().has_room(len, rule.limit) && self.remove_oldest(subscription) =>
                {
                    dropped.oldest += 1;
                }
                _ => {
                    dropped.newest += 1;
                    return Ok(dropped);
                }
            }
        }
        self.count_in(subscription, len);
        self.entries.push_back(Entry { subscription, len, message, is_counted: true });
        Ok(dropped)
    }

    /// Appends a message that does not count against the limits.
    pub(crate) fn push_uncounted(&mut self, subscription: SubscriptionId, len: usize, message: M) {
        self.entries.push_back(Entry { subscription, len, message, is_counted: false });
    }

    /// Removes up to `most` messages from the front.
    pub(crate) fn take(&mut self, most: usize) -> Vec<Entry<M>> {
        let taken: Vec<_> = self.entries.drain(..most.min(self.entries.len())).collect();
        for entry in &taken {
            self.count_out(entry);
        }
        taken
    }

    /// Returns unsent messages to the front, and applies the rules of their subscriptions if there
    /// are now too many. Messages whose subscription has ended are dropped.
    pub(crate) fn restore(
        &mut self,
        entries: impl DoubleEndedIterator<Item = Entry<M>>,
        rule_of: impl Fn(SubscriptionId) -> Option<Rule>,
    ) -> Result<AllDropped, TooSlow> {
        for entry in entries.rev().filter(|entry| rule_of(entry.subscription).is_some()) {
            if entry.is_counted {
                self.count_in(entry.subscription, entry.len);
            }
            self.entries.push_front(entry);
        }
        let mut all_dropped = Vec::new();
        let subscriptions: Vec<_> = self.counts.iter().map(|count| count.subscription).collect();
        for subscription in subscriptions {
            let Some(rule) = rule_of(subscription) else { continue };
            let mut dropped = Dropped::default();
            loop {
                let count = self.count(subscription);
                match rule.overflow {
                    Overflow::LatestOnly if count.messages > 1 => {
                        self.remove_oldest(subscription);
                        dropped.replaced += 1;
                    }
                    _ if !count.is_over(rule.limit) => break,
                    Overflow::Close(code) => return Err(TooSlow(subscription, code)),
                    Overflow::DropNewest => {
                        self.remove_newest(subscription);
                        dropped.newest += 1;
                    }
                    Overflow::DropOldest | Overflow::LatestOnly => {
                        self.remove_oldest(subscription);
                        dropped.oldest += 1;
                    }
                }
            }
            if dropped != Dropped::default() {
                all_dropped.push((subscription, dropped));
            }
        }
        Ok(all_dropped)
    }

    /// Drops the messages of a subscription that has ended.
    pub(crate) fn forget(&mut self, subscription: SubscriptionId) {
        self.entries.retain(|entry| entry.subscription != subscription);
        let count = self.count(subscription);
        self.total.messages -= count.messages;
        self.total.bytes -= count.bytes;
        self.counts.retain(|count| count.subscription != subscription);
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the number of messages, and their bytes.
    pub(crate) fn size(&self) -> (usize, usize) {
        // Uncounted messages are few and short-lived.
        let uncounted =
            self.entries.iter().take(if self.total.messages == self.entries.len() { 0 } else { usize::MAX });
        let uncounted: usize = uncounted.filter(|entry| !entry.is_counted).map(|entry| entry.len).sum();
        (self.entries.len(), self.total.bytes + uncounted)
    }

    /// Returns the memory of the queue in bytes, without that of the messages.
    pub(crate) fn overhead(&self) -> usize {
        self.entries.capacity() * size_of::<Entry<M>>() + self.counts.capacity() * size_of::<Count>()
    }

    fn remove_oldest(&mut self, subscription: SubscriptionId) -> bool {
        let index = self.entries.iter().position(|entry| entry.subscription == subscription && entry.is_counted);
        self.remove(index)
    }

    fn remove_newest(&mut self, subscription: SubscriptionId) -> bool {
        let index = self.entries.iter().rposition(|entry| entry.subscription == subscription && entry.is_counted);
        self.remove(index)
    }

    fn remove(&mut self, index: Option<usize>) -> bool {
        let removed = index.and_then(|index| self.entries.remove(index));
        if let Some(entry) = &removed {
            self.count_out(entry);
        }
        removed.is_some()
    }

    fn count(&self, subscription: SubscriptionId) -> Count {
        let known = self.counts.iter().find(|count| count.subscription == subscription);
        known.copied().unwrap_or_else(|| Count { subscription, ..Count::default() })
    }

    fn count_in(&mut self, subscription: SubscriptionId, len: usize) {
        self.total.add(len);
        match self.counts.iter_mut().find(|count| count.subscription == subscription) {
            Some(count) => count.add(len),
            None => self.counts.push(Count { subscription, messages: 1, bytes: len }),
        }
    }

    fn count_out(&mut self, entry: &Entry<M>) {
        if !entry.is_counted {
            return;
        }
        self.total.remove(entry.len);
        if let Some(index) = self.counts.iter().position(|count| count.subscription == entry.subscription) {
            self.counts[index].remove(entry.len);
            if self.counts[index].messages == 0 {
                self.counts.swap_remove(index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// A reference implementation of the queue that recounts its list on each call.
    #[derive(Default)]
    struct Model(Vec<(SubscriptionId, usize, usize, bool)>);

    impl Model {
        fn size(&self, of: Option<SubscriptionId>) -> (usize, usize) {
            let counted = self.0.iter().filter(|entry| entry.3 && of.is_none_or(|of| of == entry.0));
            counted.fold((0, 0), |(messages, bytes), entry| (messages + 1, bytes + entry.1))
        }

        fn fits(&self, of: Option<SubscriptionId>, len: usize, limit: QueueLimit) -> bool {
            let (messages, bytes) = self.size(of);
            messages < limit.messages() && bytes + len <= limit.bytes()
        }

        fn oldest(&self, of: SubscriptionId) -> Option<usize> {
            self.0.iter().position(|entry| entry.0 == of && entry.3)
        }

        fn push(
            &mut self,
            of: SubscriptionId,
            len: usize,
            id: usize,
            rule: Rule,
            total: QueueLimit,
        ) -> Result<Dropped, TooSlow> {
            let mut dropped = Dropped::default();
            let can_ever_fit = rule.limit.messages() > 0 && len <= rule.limit.bytes();
            if rule.overflow == Overflow::LatestOnly && can_ever_fit {
                let before = self.0.len();
                self.0.retain(|entry| entry.0 != of || !entry.3);
                dropped.replaced = before - self.0.len();
            }
            loop {
                if self.fits(Some(of), len, rule.limit) && self.fits(None, len, total) {
                    self.0.push((of, len, id, true));
                    return Ok(dropped);
                }
                match (rule.overflow, self.oldest(of)) {
                    (Overflow::Close(code), _) => return Err(TooSlow(of, code)),
                    (Overflow::DropOldest, Some(index)) if can_ever_fit => {
                        self.0.remove(index);
                        dropped.oldest += 1;
                    }
                    _ => {
                        dropped.newest += 1;
                        return Ok(dropped);
                    }
                }
            }
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push {
            of: SubscriptionId,
            len: usize,
        },
        PushUncounted {
            of: SubscriptionId,
            len: usize,
        },
        Take(usize),
        /// Takes this many messages, and returns all but the first few.
        Restore {
            take: usize,
            sent: usize,
        },
        Forget(SubscriptionId),
    }

    fn step() -> impl Strategy<Value = Step> {
        let (of, len) = (0..4u32, 0..12usize);
        prop_oneof![
            8 => (of.clone(), len.clone()).prop_map(|(of, len)| Step::Push { of, len }),
            1 => (of.clone(), len).prop_map(|(of, len)| Step::PushUncounted { of, len }),
            2 => (0..6usize).prop_map(Step::Take),
            2 => (0..6usize, 0..6usize).prop_map(|(take, sent)| Step::Restore { take, sent }),
            1 => of.prop_map(Step::Forget),
        ]
    }

    fn rules() -> impl Strategy<Value = Vec<Rule>> {
        let overflow = prop_oneof![
            Just(Overflow::Close(CloseCode::TRY_AGAIN_LATER)),
            Just(Overflow::DropOldest),
            Just(Overflow::DropNewest),
            Just(Overflow::LatestOnly),
        ];
        let rule = (0..5usize, 0..30usize, overflow)
            .prop_map(|(messages, bytes, overflow)| Rule { limit: QueueLimit::new(messages, bytes), overflow });
        vec(rule, 4)
    }

    proptest! {
        #[test]
        fn queue_behaves_like_its_model(
            rules in rules(), steps in vec(step(), 0..100), messages in 1..10usize, bytes in 0..60usize,
        ) {
            let total = QueueLimit::new(messages, bytes);
            let (mut queue, mut model) = (Queue::default(), Model::default());
            for (id, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Push { of, len } => {
                        let rule = rules[of as usize];
                        let expected = model.push(of, len, id, rule, total);
                        prop_assert_eq!(queue.push(of, len, id, rule, total), expected);
                        if expected.is_err() {
                            return Ok(());
                        }
                    }
                    Step::PushUncounted { of, len } => {
                        queue.push_uncounted(of, len, id);
                        model.0.push((of, len, id, false));
                    }
                    Step::Take(most) => {
                        let taken: Vec<_> = queue.take(most).into_iter().map(|entry| entry.message).collect();
                        let expected: Vec<_> =
                            model.0.drain(..most.min(model.0.len())).map(|entry| entry.2).collect();
                        prop_assert_eq!(taken, expected);
                    }
                    Step::Restore { take, sent } => {
                        let taken = queue.take(take);
                        let sent = sent.min(taken.len());
                        model.0.drain(..sent);
                        // Nothing was pushed in between, so no message exceeds the limits.
                        let restored = queue.restore(taken.into_iter().skip(sent), |of| rules.get(of as usize).copied());
                        prop_assert_eq!(restored, Ok(Vec::new()));
                    }
                    Step::Forget(of) => {
                        queue.forget(of);
                        model.0.retain(|entry| entry.0 != of);
                    }
                }
                let bytes = model.0.iter().map(|entry| entry.1).sum();
                prop_assert_eq!(queue.size(), (model.0.len(), bytes));
                prop_assert_eq!(queue.is_empty(), model.0.is_empty());
                // The limits hold, whatever is pushed.
                for (of, rule) in rules.iter().enumerate() {
                    let (messages, bytes) = model.size(Some(of as u32));
                    prop_assert!(messages <= rule.limit.messages() && bytes <= rule.limit.bytes());
                }
            }
            let left: Vec<_> = queue.take(usize::MAX).into_iter().map(|entry| entry.message).collect();
            prop_assert_eq!(left, model.0.into_iter().map(|entry| entry.2).collect::<Vec<_>>());
        }
    }

    fn rule(messages: usize, overflow: Overflow) -> Rule {
        Rule { limit: QueueLimit::new(messages, 1000), overflow }
    }

    /// Takes two messages of a full queue, pushes two more, and puts the first two back.
    fn restore_into_full(overflow: Overflow) -> Result<(Vec<u32>, AllDropped), TooSlow> {
        let (mut queue, rule, total) = (Queue::default(), rule(2, overflow), QueueLimit::default());
        queue.push(0, 1, 1, rule, total)?;
        queue.push(0, 1, 2, rule, total)?;
        let taken = queue.take(2);
        queue.push(0, 1, 3, rule, total)?;
        queue.push(0, 1, 4, rule, total)?;
        let dropped = queue.restore(taken.into_iter(), |_| Some(rule))?;
        Ok((queue.take(10).into_iter().map(|entry| entry.message).collect(), dropped))
    }

    #[test]
    fn restored_messages_are_subject_to_the_policy() {
        let dropped = |oldest, newest| vec![(0, Dropped { oldest, newest, replaced: 0 })];
        assert_eq!(restore_into_full(Overflow::DropOldest), Ok((vec![3, 4], dropped(2, 0))));
        assert_eq!(restore_into_full(Overflow::DropNewest), Ok((vec![1, 2], dropped(0, 2))));
        let close = CloseCode::TRY_AGAIN_LATER;
        assert_eq!(restore_into_full(Overflow::Close(close)), Err(TooSlow(0, close)));
        let replaced = vec![(0, Dropped { oldest: 0, newest: 0, replaced: 1 })];
        assert_eq!(restore_into_full(Overflow::LatestOnly), Ok((vec![4], replaced)));
    }

    #[test]
    fn restored_messages_of_an_ended_subscription_are_dropped() {
        let mut queue = Queue::default();
        queue.push(0, 1, 1, rule(2, Overflow::DropNewest), QueueLimit::default()).unwrap();
        let taken = queue.take(1);
        queue.forget(0);
        assert_eq!(queue.restore(taken.into_iter(), |_| None), Ok(Vec::new()));
        assert!(queue.is_empty());
    }
}
