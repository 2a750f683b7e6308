//! The task of a shard: takes messages out of its inbox and passes them to one member after the
//! other.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use tokio::task::{coop, yield_now};
use tower_websocket::PreparedBatch;

use super::subscriber::{Direct, Offer, Same, Shared, Subscriber};
use crate::publication::Delivery;

/// The maximum number of messages taken out of the inbox at once, and thus in one write.
const BATCH: usize = 64;

/// The number of members that are served before the task yields. Tokio's budget is 128 operations:
/// once it is used up, sockets report that they are not writable, and each write needs a second
/// attempt in the background.
const TURN: usize = 100;

/// An entry in the inbox of a shard.
#[derive(Debug)]
pub(crate) enum Item {
    /// For the members of the message's topic.
    Message(Arc<Delivery>),
    /// For these members.
    Direct(Vec<Arc<Subscriber>>, Arc<Delivery>),
    /// For the members of this topic.
    Gap(Arc<str>),
}

/// Runs until the inbox is closed.
pub(crate) async fn run(shared: Arc<Shared>, shard: usize, mut inbox: mpsc::Receiver<Item>) {
    let mut items = Vec::with_capacity(BATCH);
    while inbox.recv_many(&mut items, BATCH).await > 0 {
        deliver(&shared, shard, &mut items).await;
    }
}

async fn deliver(shared: &Arc<Shared>, shard: usize, items: &mut Vec<Item>) {
    let (batch, mut members) = Batch::new(shared, shard, items);
    let (mut direct, mut served) = (Direct::default(), 0);
    let deliveries = batch.deliveries_to_all();
    let messages: Vec<_> = deliveries.iter().filter_map(|delivery| shared.prepared(delivery)).collect();
    let is_worth_joining = messages.len() > 1 && members.left.len() > 1;
    let joined = is_worth_joining.then(|| PreparedBatch::new(messages.iter().map(|&message| message.clone())));
    while let Some(subscriber) = members.next(&batch) {
        // Transports are code of the application.
        let offered = catch_unwind(AssertUnwindSafe(|| {
            if deliveries.is_empty() {
                let offers = members.current.iter().map(|&index| &batch.offers[index as usize]);
                subscriber.offer(shared, offers, &mut direct);
            } else {
                subscriber.offer_same(
                    shared,
                    &Same { messages: &messages, joined: joined.as_ref(), deliveries: &deliveries },
                );
            }
        }));
        if offered.is_err() {
            shared.counters.panics.fetch_add(1, Ordering::Relaxed);
            let _ = catch_unwind(AssertUnwindSafe(|| subscriber.leave_all(shared)));
        }
        served += 1;
        if served % TURN == 0 || !coop::has_budget_remaining() {
            yield_now().await;
        }
    }
}

/// The messages of one iteration.
struct Batch {
    offers: Vec<Offer>,
    /// The indices of offers, grouped by topic or by list of members, each group in the order of
    /// publication.
    groups: Vec<Vec<u32>>,
}

/// The members to serve.
struct Members {
    /// The members, each with one of its groups. Groups of the same member are adjacent.
    left: std::vec::IntoIter<(Arc<Subscriber>, u32)>,
    /// The offers of the current member.
    current: Vec<u32>,
}

impl Batch {
    fn new(shared: &Arc<Shared>, shard: usize, items: &mut Vec<Item>) -> (Self, Members) {
        let (mut offers, mut groups, mut members) = (Vec::with_capacity(items.len()), Vec::new(), Vec::new());
        let mut topics = HashMap::new();
        for item in items.drain(..) {
            let index = offers.len() as u32;
            let (topic, offer) = match item {
                Item::Direct(to, delivery) => {
                    members.extend(to.into_iter().map(|member| (member, groups.len() as u32)));
                    groups.push(vec![index]);
                    offers.push(Offer::Message(delivery));
                    continue;
                }
                Item::Message(delivery) => match &delivery.topic {
                    Some(topic) => (topic.clone(), Offer::Message(delivery)),
                    None => continue,
                },
                Item::Gap(topic) => (topic.clone(), Offer::Gap(topic)),
            };
            let offer = match offer {
                // Framed here because no lock is held.
                Offer::Message(delivery) if shared.prepared(&delivery).is_none() => Offer::Gap(topic.clone()),
                offer => offer,
            };
            let group = *topics.entry(topic).or_insert_with_key(|topic| {
                let group = groups.len() as u32;
                shared.shards[shard].for_each(topic, |member| members.push((member.clone(), group)));
                groups.push(Vec::new());
                group
            });
            groups[group as usize].push(index);
            offers.push(offer);
        }
        if groups.len() > 1 {
            members.sort_by_key(|(member, _)| Arc::as_ptr(member).cast::<()>().addr());
        }
        (Self { offers, groups }, Members { left: members.into_iter(), current: Vec::new() })
    }
}

impl Batch {
    /// Returns the messages if all of them are for all members: if they are of one topic and
    /// exclude no member. Otherwise, returns an empty list.
    fn deliveries_to_all(&self) -> Vec<Arc<Delivery>> {
        if self.groups.len() != 1 {
            return Vec::new();
        }
        let deliveries = self.offers.iter().map(|offer| match offer {
            Offer::Message(delivery) if delivery.topic.is_some() && delivery.publication.excluded().is_none() => {
                Some(delivery.clone())
            }
            _ => None,
        });
        deliveries.collect::<Option<_>>().unwrap_or_default()
    }
}

impl Members {
    /// Returns the next member, and collects its offers.
    fn next(&mut self, batch: &Batch) -> Option<Arc<Subscriber>> {
        let (member, group) = self.left.next()?;
        self.current.clear();
        self.current.extend_from_slice(&batch.groups[group as usize]);
        let mut has_more = false;
        while let Some((next, group)) = self.left.as_slice().first()
            && Arc::ptr_eq(next, &member)
        {
            self.current.extend_from_slice(&batch.groups[*group as usize]);
            self.left.next();
            has_more = true;
        }
        if has_more {
            // In the order of publication.
            self.current.sort_unstable();
        }
        Some(member)
    }
}
