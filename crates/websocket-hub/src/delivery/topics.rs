//! The topics that have members on this node, with the number of members in each shard.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::sync::lock;

/// The number of locks over which the topics are distributed.
const STRIPES: usize = 32;

#[derive(Debug)]
pub(crate) struct Topics {
    stripes: Box<[Mutex<Stripe>]>,
    hasher: RandomState,
    shards: usize,
    len: AtomicUsize,
    max: usize,
}

type Stripe = HashMap<Arc<str>, Members>;

/// The number of members in each shard.
#[derive(Debug)]
struct Members(Box<[u32]>);

impl Members {
    fn total(&self) -> usize {
        self.0.iter().map(|&members| members as usize).sum()
    }
}

/// The maximum number of topics is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Topics {
    pub(crate) fn new(shards: usize, max: usize) -> Self {
        let stripes = (0..STRIPES).map(|_| Mutex::default()).collect();
        Self { stripes, hasher: RandomState::new(), shards, len: AtomicUsize::new(0), max }
    }

    /// Adds a member of a shard. Returns the shared name of the topic.
    pub(crate) fn enter(&self, topic: &str, shard: usize) -> Result<Arc<str>, Full> {
        let mut stripe = lock(self.stripe(topic));
        if let Some((name, _)) = stripe.get_key_value(topic) {
            let name = name.clone();
            if let Some(members) = stripe.get_mut(topic) {
                members.0[shard] += 1;
            }
            return Ok(name);
        }
        if self.len.fetch_add(1, Ordering::Relaxed) >= self.max {
            self.len.fetch_sub(1, Ordering::Relaxed);
            return Err(Full);
        }
        let (name, mut members) = (Arc::<str>::from(topic), Members(vec![0; self.shards].into()));
        members.0[shard] = 1;
        stripe.insert(name.clone(), members);
        Ok(name)
    }

    /// Removes a member that has entered.
    pub(crate) fn leave(&self, topic: &str, shard: usize) {
        let mut stripe = lock(self.stripe(topic));
        if let Some(members) = stripe.get_mut(topic) {
            members.0[shard] -= 1;
            if members.0.iter().all(|&members| members == 0) {
                stripe.remove(topic);
                self.len.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Calls a function for each shard that has members of the topic, with the shared name. Returns
    /// the number of members.
    pub(crate) fn for_each_shard(&self, topic: &str, mut call: impl FnMut(usize, &Arc<str>)) -> usize {
        let stripe = lock(self.stripe(topic));
        let Some((name, members)) = stripe.get_key_value(topic) else {
            return 0;
        };
        for (shard, _) in members.0.iter().enumerate().filter(|&(_, &members)| members > 0) {
            call(shard, name);
        }
        members.total()
    }

    /// Returns the number of members of a topic.
    pub(crate) fn members(&self, topic: &str) -> usize {
        let stripe = lock(self.stripe(topic));
        stripe.get(topic).map_or(0, Members::total)
    }

    /// Returns the number of topics.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    fn stripe(&self, topic: &str) -> &Mutex<Stripe> {
        &self.stripes[self.hasher.hash_one(topic) as usize % STRIPES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(topics: &Topics, topic: &str) -> Vec<usize> {
        let mut shards = Vec::new();
        topics.for_each_shard(topic, |shard, name| {
            assert_eq!(&**name, topic);
            shards.push(shard);
        });
        shards
    }

    #[test]
    fn topic_exists_from_its_first_member_to_its_last() {
        let topics = Topics::new(3, 2);
        let first = topics.enter("a", 0).unwrap();
        let second = topics.enter("a", 2).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        topics.enter("b", 1).unwrap();
        assert_eq!((topics.enter("c", 0), topics.len()), (Err(Full), 2));
        assert_eq!((shards(&topics, "a"), topics.members("a")), (vec![0, 2], 2));
        topics.leave("a", 0);
        assert_eq!((shards(&topics, "a"), topics.members("a")), (vec![2], 1));
        topics.leave("a", 2);
        assert_eq!((shards(&topics, "a"), topics.len()), (vec![], 1));
        topics.enter("c", 0).unwrap();
    }
}
