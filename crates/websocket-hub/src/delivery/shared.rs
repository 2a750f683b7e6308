//! The state that is shared by the tasks of a hub, generic over the type of its members. It does
//! not keep the tasks running.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use slab::Slab;
use tokio::runtime::Handle;
use tower_websocket::PreparedMessage;

use super::topics::Topics;
use crate::config::Settings;
use crate::observer::HubObserver;
use crate::publication::Delivery;
use crate::stats::Counters;
use crate::sync::lock;

pub(crate) struct SharedState<M: ?Sized> {
    pub(crate) node: u64,
    pub(crate) settings: Settings,
    pub(crate) counters: Counters,
    pub(crate) topics: Topics,
    pub(crate) shards: Box<[ShardTopics<M>]>,
    pub(crate) runtime: Handle,
}

/// The members of each topic in one shard.
pub(crate) struct ShardTopics<M: ?Sized>(Mutex<HashMap<Arc<str>, Slab<Arc<M>>>>);

impl<M: ?Sized> Default for ShardTopics<M> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<M: ?Sized> ShardTopics<M> {
    pub(crate) fn insert(&self, topic: &Arc<str>, subscriber: &Arc<M>) -> usize {
        let mut topics = lock(&self.0);
        match topics.get_mut(topic) {
            Some(members) => members.insert(subscriber.clone()),
            None => topics.entry(topic.clone()).or_default().insert(subscriber.clone()),
        }
    }

    pub(crate) fn remove(&self, topic: &str, slot: usize) {
        let mut topics = lock(&self.0);
        let Some(members) = topics.get_mut(topic) else { return };
        let removed = members.try_remove(slot);
        if members.is_empty() {
            topics.remove(topic);
        } else if members.capacity() > 64 && members.len() < members.capacity() / 4 {
            members.shrink_to_fit();
        }
        // This may drop the last reference, and the connection's transport is code of the
        // application.
        drop(topics);
        drop(removed);
    }

    /// Calls a function with each member of a topic.
    pub(crate) fn for_each(&self, topic: &str, call: impl FnMut(&Arc<M>)) {
        if let Some(members) = lock(&self.0).get(topic) {
            members.iter().map(|(_, member)| member).for_each(call);
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }
}

impl<M: ?Sized> SharedState<M> {
    /// Returns the framed message; `None` if the application's callback panicked.
    pub(crate) fn prepared<'a>(&self, delivery: &'a Delivery) -> Option<&'a PreparedMessage> {
        delivery.prepared(self.settings.frame.as_ref(), || {
            self.counters.panics.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// Calls the observer, which may panic.
    pub(crate) fn observe(&self, call: impl FnOnce(&dyn HubObserver)) {
        if let Some(observer) = &self.settings.observer
            && catch_unwind(AssertUnwindSafe(|| call(&**observer))).is_err()
        {
            self.counters.panics.fetch_add(1, Ordering::Relaxed);
        }
    }
}
