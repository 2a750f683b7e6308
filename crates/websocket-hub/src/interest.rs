//! The topics that a node is subscribed to at its engine: once for all members, for a while after the last has left, and up to which
//! position their messages have arrived.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::error::BackendError;
use crate::position::Position;
use crate::sync::lock;

#[derive(Debug)]
pub(crate) struct Interest {
    state: Mutex<State>,
    linger: Duration,
    /// There is something for the task to do.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    topics: HashMap<Arc<str>, Topic>,
    is_closed: bool,
}

#[derive(Debug)]
struct Topic {
    phase: Phase,
    /// The number of subscriptions that need it.
    members: usize,
    /// The position of the last message that was delivered.
    last: Option<Position>,
    /// Those that wait until it is subscribed.
    waiting: Vec<oneshot::Sender<Result<(), BackendError>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Wanted,
    Subscribing,
    Active,
    /// Subscribing has failed. The next that needs it tries again.
    Failed,
    /// Nobody needs it since then.
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
    /// Nobody needs it, or it has arrived before.
    Ignored,
    Next,
    /// Messages are missing behind this position.
    Hole(Position),
    /// The topic has begun a new epoch.
    NewEpoch,
}

/// A subscription's need of a topic, released when it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    interest: Arc<Interest>,
    topic: Arc<str>,
}

impl Interest {
    pub(crate) fn new(linger: Duration) -> Self {
        Self { state: Mutex::default(), linger, changed: Notify::new() }
    }

    /// Waits until the topic is subscribed.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the need is released.
    pub(crate) async fn acquire(self: &Arc<Self>, topic: &Arc<str>) -> Result<Lease, BackendError> {
        let subscribed = {
            let mut state = lock(&self.state);
            let topic = state.topics.entry(topic.clone()).or_insert_with(|| Topic {
                phase: Phase::Wanted,
                members: 0,
                last: None,
                waiting: Vec::new(),
            });
            topic.members += 1;
            match topic.phase {
                Phase::Active => None,
                Phase::Lingering(_) => {
                    topic.phase = Phase::Active;
                    None
                }
                Phase::Wanted | Phase::Subscribing | Phase::Failed => {
                    if topic.phase == Phase::Failed {
                        topic.phase = Phase::Wanted;
                    }
                    let (sender, receiver) = oneshot::channel();
                    topic.waiting.push(sender);
                    Some(receiver)
                }
            }
        };
        let lease = Lease { interest: self.clone(), topic: topic.clone() };
        if let Some(subscribed) = subscribed {
            self.changed.notify_one();
            subscribed.await.unwrap_or_else(|_| Err(BackendError::new("the hub was dropped")))?;
        }
        Ok(lease)
    }

    fn release(&self, topic: &Arc<str>) {
        let mut state = lock(&self.state);
        if let Entry::Occupied(mut entry) = state.topics.entry(topic.clone()) {
            let topic = entry.get_mut();
            topic.members -= 1;
            if topic.members == 0 {
                match topic.phase {
                    Phase::Active => topic.phase = Phase::Lingering(Instant::now()),
                    Phase::Wanted | Phase::Failed => _ = entry.remove(),
                    Phase::Subscribing | Phase::Lingering(_) => {}
                }
                self.changed.notify_one();
            }
        }
    }

    /// Waits for something to do. Topics that are wanted at the same time are subscribed together.
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

    /// Returns what is to be done now, or when there may be something.
    fn look_for_work(&self) -> Result<Work, Option<Instant>> {
        let mut state = lock(&self.state);
        if state.is_closed {
            return Ok(Work::End);
        }
        let now = Instant::now();
        let (mut wanted, mut expired, mut deadline) = (Vec::new(), Vec::new(), None::<Instant>);
        for (name, topic) in &mut state.topics {
            match topic.phase {
                Phase::Wanted => {
                    topic.phase = Phase::Subscribing;
                    wanted.push(name.clone());
                }
                Phase::Lingering(since) => match since.checked_add(self.linger) {
                    Some(end) if end <= now => expired.push(name.clone()),
                    Some(end) => deadline = Some(deadline.map_or(end, |deadline| deadline.min(end))),
                    None => {}
                },
                Phase::Subscribing | Phase::Active | Phase::Failed => {}
            }
        }
        if !wanted.is_empty() {
            return Ok(Work::Subscribe(wanted));
        }
        if expired.is_empty() {
            return Err(deadline);
        }
        expired.iter().for_each(|topic| _ = state.topics.remove(topic));
        Ok(Work::Unsubscribe(expired))
    }

    /// Notes the outcome of subscribing.
    pub(crate) fn subscribed(&self, topics: &[Arc<str>], outcome: &Result<(), BackendError>) {
        let mut state = lock(&self.state);
        for name in topics {
            let Entry::Occupied(mut entry) = state.topics.entry(name.clone()) else { continue };
            let topic = entry.get_mut();
            for waiting in topic.waiting.drain(..) {
                // Those that do not wait any more have released it.
                let _ = waiting.send(outcome.clone());
            }
            match outcome {
                Ok(()) if topic.members == 0 => topic.phase = Phase::Lingering(Instant::now()),
                Ok(()) => topic.phase = Phase::Active,
                Err(_) if topic.members == 0 => _ = entry.remove(),
                Err(_) => topic.phase = Phase::Failed,
            }
        }
    }

    /// Decides about a message that has arrived.
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
            Some(last) if is_contiguous && position.offset() > last.offset() + 1 => Arrival::Hole(last),
            _ => {
                topic.last = Some(position);
                Arrival::Next
            }
        }
    }

    /// Notes up to which position a topic's messages have arrived.
    pub(crate) fn reach(&self, topic: &str, position: Position) {
        if let Some(topic) = lock(&self.state).topics.get_mut(topic)
            && position.is_known()
        {
            topic.last = Some(position);
        }
    }

    /// Notes the position at which a topic was subscribed, unless messages have arrived since.
    pub(crate) fn begin_at(&self, topic: &str, position: Position) {
        if let Some(topic) = lock(&self.state).topics.get_mut(topic)
            && position.is_known()
        {
            topic.last.get_or_insert(position);
        }
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
