//! Passes publications to the shards.

use std::fmt;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::shard::{self, Item};
use super::shared::ShardTopics;
use super::subscriber::Shared;
use super::topics::Topics;
use super::users::Users;
use crate::config::Settings;
use crate::position::Position;
use crate::publication::{Delivery, Publication};
use crate::stats::{Counters, count};

/// Passes publications to the tasks of the shards, which run until it is dropped.
pub(crate) struct Router {
    pub(crate) shared: Arc<Shared>,
    pub(crate) users: Users,
    inboxes: Box<[mpsc::Sender<Item>]>,
}

/// Reserved room in the inbox of each shard, so that a message can be sent to all of them without
/// waiting.
pub(crate) struct Slots<'a> {
    router: &'a Router,
    permits: Vec<Option<mpsc::Permit<'a, Item>>>,
}

impl Router {
    /// Starts the tasks of the shards.
    pub(crate) fn start(settings: Settings, runtime: Handle) -> Self {
        let shards = settings.shards.unwrap_or_else(|| runtime.metrics().num_workers()).max(1);
        let inbox = settings.inbox.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        let shared = Arc::new(Shared {
            node: rand::random(),
            topics: Topics::new(shards, settings.max_topics),
            settings,
            counters: Counters::default(),
            shards: (0..shards).map(|_| ShardTopics::default()).collect(),
            runtime,
        });
        let start = |shard| {
            let (sender, receiver) = mpsc::channel(inbox);
            shared.runtime.spawn(shard::run(shared.clone(), shard, receiver));
            sender
        };
        let inboxes = (0..shards).map(start).collect();
        Self { shared, users: Users::default(), inboxes }
    }

    /// Waits until every shard has room for one more message.
    pub(crate) async fn reserve(&self) -> Slots<'_> {
        let mut permits = Vec::with_capacity(self.inboxes.len());
        for inbox in &self.inboxes {
            // An inbox is closed only if the runtime has ended, and with it all members.
            permits.push(inbox.reserve().await.ok());
        }
        Slots { router: self, permits }
    }
}

impl Slots<'_> {
    /// Delivers a message to the members of its topic. Returns their number.
    pub(crate) fn deliver(mut self, topic: &str, position: Position, publication: Publication) -> usize {
        let Shared { topics, counters, settings, .. } = &*self.router.shared;
        let mut delivery = None;
        let members = topics.for_each_shard(topic, |shard, name| {
            let delivery = delivery.get_or_insert_with(|| {
                publication.charge(settings.budget.as_ref());
                Arc::new(Delivery { topic: Some(name.clone()), position, publication: publication.clone() })
            });
            if let Some(permit) = self.permits[shard].take() {
                permit.send(Item::Message(delivery.clone()));
            }
        });
        count(&counters.published, usize::from(members > 0));
        members
    }

    /// Delivers a message to the members of a user.
    pub(crate) fn deliver_to_user(mut self, user: &str, publication: Publication) {
        let mut shards: Vec<Vec<_>> = self.permits.iter().map(|_| Vec::new()).collect();
        for member in self.router.users.members(user) {
            shards[member.shard(&self.router.shared)].push(member);
        }
        let delivery = Arc::new(Delivery { topic: None, position: Position::UNKNOWN, publication });
        for (members, permit) in shards.into_iter().zip(&mut self.permits) {
            if let Some(permit) = permit.take_if(|_| !members.is_empty()) {
                permit.send(Item::Direct(members, delivery.clone()));
            }
        }
    }

    /// Notifies the members of a topic that messages may have been lost.
    pub(crate) fn gap(mut self, topic: &str) {
        let Shared { topics, counters, .. } = &*self.router.shared;
        let members = topics.for_each_shard(topic, |shard, name| {
            if let Some(permit) = self.permits[shard].take() {
                permit.send(Item::Gap(name.clone()));
            }
        });
        if members > 0 {
            count(&counters.gaps, 1);
            self.router.shared.observe(|observer| observer.gap(topic));
        }
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("shards", &self.inboxes.len()).finish_non_exhaustive()
    }
}
