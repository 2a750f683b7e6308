//! The topics that a node is subscribed to at its backend: once for all members, and for a while
//! after the last one has left, with the position up to which their messages have arrived.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::error::BackendError;
use crate::position::Position;
use crate::sync::lock;

/// The maximum number of topics that are still subscribed without members. The oldest are
/// unsubscribed early if there are more.
const MAX_LINGERING: usize = 10_000;

#[derive(Debug)]
pub(crate) struct Interest {
    state: Mutex<State>,
    linger: Duration,
    max_lingering: usize,
    /// Notified when there is work for the task.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    topics: HashMap<Arc<str>, Topic>,
    /// Topics that may need to be subscribed. Their state decides.
    wanted: Vec<Arc<str>>,
    /// Topics that may be lingering, in the order in which they started to.
    lingering: VecDeque<(Instant, Arc<str>)>,
    is_closed: bool,
}

#[derive(Debug)]
struct Topic {
    phase: Phase,
    /// The number of subscriptions that need the topic.
    members: usize,
    /// The position of the last delivered message.
    last: Option<Position>,
    /// Members that wait until the topic is subscribed.
    waiting: Vec<oneshot::Sender<Result<(), BackendError>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Wanted,
    Subscribing,
    Active,
    /// The topic was not subscribed yet, or subscribing has failed. The next member that needs it
    /// tries again.
    Failed,
    /// No member has needed the topic since.
    Lingering(Instant),
}

/// Work for the task.
#[derive(Debug)]
pub(crate) enum Work {
    Subscribe(Vec<Arc<str>>),
    Unsubscribe(Vec<Arc<str>>),
    End,
}

/// The relation of a message to the last one of its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// No member needs the topic, or the message has arrived before.
    Ignored,
    Next,
    /// Messages after this position are missing.
    Hole(Position),
    /// The topic has started a new epoch.
    NewEpoch,
}

/// A subscription's need for a topic. Dropping it releases the topic.
#[derive(Debug)]
pub(crate) struct Lease {
    interest: Arc<Interest>,
    topic: Arc<str>,
}

impl Interest {
    pub(crate) fn new(linger: Duration) -> Self {
        Self { state: Mutex::default(), linger, max_lingering: MAX_LINGERING, changed: Notify::new() }
    }

    /// Waits until the topic is subscribed.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the need is released.
    pub(crate) async fn acquire(self: &Arc<Self>, topic: &Arc<str>) -> Result<Lease, BackendError> {
        let subscribed = {
            let state = &mut *lock(&self.state);
            let entry = state.topics.entry(topic.clone()).or_insert_with(|| Topic {
                phase: Phase::Failed,
                members: 0,
                last: None,
                waiting: Vec::new(),
            });
            entry.members += 1;
            match entry.phase {
                Phase::Active => None,
                Phase::Lingering(_) => {
                    entry.phase = Phase::Active;
                    None
                }
                Phase::Wanted | Phase::Subscribing | Phase::Failed => {
                    if entry.phase == Phase::Failed {
                        entry.phase = Phase::Wanted;
                        state.wanted.push(topic.clone());
                    }
                    let (sender, receiver) = oneshot::channel();
                    entry.waiting.push(sender);
                    Some(receiver)
                }
            }
        };
        let lease = Lease { interest: self.clone(), topic: topic.clone() };
        if let Some(subscribed) = subscribed {
            self.changed.notify_one();
            subscribed.await.unwrap_or_else(|_| Err(BackendError::new("hub was dropped")))?;
        }
        Ok(lease)
    }

    fn release(&self, topic: &Arc<str>) {
        let state = &mut *lock(&self.state);
        let Entry::Occupied(mut entry) = state.topics.entry(topic.clone()) else { return };
        entry.get_mut().members -= 1;
        if entry.get().members > 0 {
            return;
        }
        match entry.get().phase {
            Phase::Active => {
                let now = Instant::now();
                entry.get_mut().phase = Phase::Lingering(now);
                state.lingering.push_back((now, topic.clone()));
                self.changed.notify_one();
            }
            Phase::Wanted | Phase::Failed => _ = entry.remove(),
            Phase::Subscribing | Phase::Lingering(_) => {}
        }
    }

    /// Waits for work. Topics that are wanted at the same time are subscribed together.
    pub(crate) async fn next_work(&self) -> Work {
        loop {
            let deadline = match self.look_for_work() {
                Ok(work) => return work,
                Err(deadline) => deadline,
            };
            match deadline {
                Some(deadline) => _ = tokio::time::timeout_at(deadline, self.changed.notified()).await,
                None => self.changed.notified().await,
            }
        }
    }

    /// Returns the work to do now, or the time at which there may be some.
    fn look_for_work(&self) -> Result<Work, Option<Instant>> {
        let state = &mut *lock(&self.state);
        if state.is_closed {
            return Ok(Work::End);
        }
        let (topics, names) = (&mut state.topics, std::mem::take(&mut state.wanted));
        let is_wanted = |name: &Arc<str>| match topics.get_mut(name) {
            Some(topic) if topic.phase == Phase::Wanted => {
                topic.phase = Phase::Subscribing;
                true
            }
            _ => false,
        };
        let wanted: Vec<_> = names.into_iter().filter(is_wanted).collect();
        if !wanted.is_empty() {
            return Ok(Work::Subscribe(wanted));
        }
        let (now, mut expired) = (Instant::now(), Vec::new());
        while let Some((since, _)) = state.lingering.front() {
            let end = since.checked_add(self.linger);
            if state.lingering.len() <= self.max_lingering && end.is_none_or(|end| end > now) {
                return if expired.is_empty() { Err(end) } else { Ok(Work::Unsubscribe(expired)) };
            }
            if let Some((since, name)) = state.lingering.pop_front()
                && state.topics.get(&name).is_some_and(|topic| topic.phase == Phase::Lingering(since))
            {
                state.topics.remove(&name);
                expired.push(name);
            }
        }
        if expired.is_empty() { Err(None) } else { Ok(Work::Unsubscribe(expired)) }
    }

    /// Records the result of subscribing.
    pub(crate) fn subscribed(&self, topics: &[Arc<str>], outcome: &Result<(), BackendError>) {
        let state = &mut *lock(&self.state);
        for name in topics {
            let Entry::Occupied(mut entry) = state.topics.entry(name.clone()) else { continue };
            let topic = entry.get_mut();
            for waiting in topic.waiting.drain(..) {
                // A member that has stopped waiting has released the topic.
                let _ = waiting.send(outcome.clone());
            }
            match outcome {
                Ok(()) if topic.members == 0 => {
                    let now = Instant::now();
                    topic.phase = Phase::Lingering(now);
                    state.lingering.push_back((now, name.clone()));
                }
                Ok(()) => topic.phase = Phase::Active,
                Err(_) if topic.members == 0 => _ = entry.remove(),
                Err(_) => topic.phase = Phase::Failed,
            }
        }
    }

    /// Decides how to handle a message that has arrived.
    pub(crate) fn arrive(&self, topic: &str, position: Position, is_contiguous: bool) -> Arrival {
        let mut state = lock(&self.state);
        let Some(topic) = state.topics.get_mut(topic) else {
            return Arrival::Ignored;
        };
        if !position.is_known() {
            return Arrival::Next;
        }
        match topic.last {
            Some(last) if last.epoch() != position.epoch() => Arrival::NewEpoch,
            Some(last) if position.offset() <= last.offset() => Arrival::Ignored,
            Some(last) if is_contiguous && position.offset() - last.offset() > 1 => Arrival::Hole(last),
            _ => {
                topic.last = Some(position);
                Arrival::Next
            }
        }
    }

    /// Records the position up to which a topic's messages have arrived.
    pub(crate) fn reach(&self, topic: &str, position: Position) {
        if let Some(topic) = lock(&self.state).topics.get_mut(topic)
            && position.is_known()
        {
            topic.last = Some(position);
        }
    }

    /// Records the position at which a topic was subscribed, unless messages have arrived since.
    pub(crate) fn begin_at(&self, topic: &str, position: Position) {
        if let Some(topic) = lock(&self.state).topics.get_mut(topic)
            && position.is_known()
        {
            topic.last.get_or_insert(position);
        }
    }

    /// Returns the position up to which a topic's messages have arrived; `None` if nobody needs it,
    /// or it has not begun yet.
    pub(crate) fn position(&self, topic: &str) -> Option<Position> {
        lock(&self.state).topics.get(topic).and_then(|topic| topic.last)
    }

    /// Returns the subscribed topics, each with the position up to which its messages have arrived.
    pub(crate) fn positions(&self) -> Vec<(Arc<str>, Option<Position>)> {
        let state = lock(&self.state);
        let is_subscribed = |topic: &Topic| matches!(topic.phase, Phase::Active | Phase::Lingering(_));
        let topics = state.topics.iter().filter(|(_, topic)| is_subscribed(topic));
        topics.map(|(name, topic)| (name.clone(), topic.last)).collect()
    }

    /// Ends the task.
    pub(crate) fn close(&self) {
        lock(&self.state).is_closed = true;
        self.changed.notify_one();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.interest.release(&self.topic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interest() -> Arc<Interest> {
        Arc::new(Interest { max_lingering: 10, ..Interest::new(Duration::MAX) })
    }

    async fn subscribed(interest: &Arc<Interest>, topic: &str) -> Lease {
        let acquiring = {
            let (interest, topic) = (interest.clone(), Arc::from(topic));
            tokio::spawn(async move { interest.acquire(&topic).await })
        };
        tokio::time::advance(Duration::from_millis(1)).await;
        let Work::Subscribe(topics) = interest.next_work().await else { panic!("nothing to subscribe") };
        interest.subscribed(&topics, &Ok(()));
        acquiring.await.unwrap().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn lingering_topics_are_bounded() {
        let interest = interest();
        for number in 0..13 {
            drop(subscribed(&interest, &number.to_string()).await);
        }
        let Work::Unsubscribe(topics) = interest.next_work().await else { panic!("nothing to unsubscribe") };
        assert_eq!(topics, ["0", "1", "2"].map(Arc::from));
        assert_eq!(lock(&interest.state).topics.len(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn topic_that_is_needed_repeatedly_is_recorded_a_bounded_number_of_times() {
        let interest = interest();
        let mut lease = subscribed(&interest, "t").await;
        for _ in 0..30 {
            drop(lease);
            assert!(interest.look_for_work().is_err());
            tokio::time::advance(Duration::from_millis(1)).await;
            lease = interest.acquire(&Arc::from("t")).await.unwrap();
        }
        assert!(lock(&interest.state).lingering.len() <= 10);
    }
}
