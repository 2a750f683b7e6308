//! The messages that have arrived from the server and are not delivered yet. Adding one never
//! waits, so that the client library does not drop messages: those that do not fit are dropped
//! here, where their topic is known.

use std::collections::{HashSet, VecDeque};
use std::mem;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;
use websocket_hub::QueueLimit;

use crate::sync::lock;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Message(Arc<str>, Bytes),
    Signal(Bytes),
    /// Messages of this topic were dropped.
    Gap(Arc<str>),
    /// Messages of all topics may have been lost before the connection with this number, on which
    /// all topics are subscribed again.
    Resynchronise(u64),
}

#[derive(Debug)]
pub(crate) struct Inbox {
    limit: QueueLimit,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Each with the time of its arrival.
    items: VecDeque<(Item, Instant)>,
    messages: usize,
    bytes: usize,
    /// The topics with a gap among the items. It also covers messages that are dropped later:
    /// members are notified after these.
    gaps: HashSet<Arc<str>>,
    /// The connection of the item [`Item::Resynchronise`], if there is one.
    connection: Option<u64>,
}

impl Inbox {
    pub(crate) fn new(limit: QueueLimit) -> Self {
        Self { limit, state: Mutex::default(), changed: Notify::new() }
    }

    pub(crate) fn push_message(&self, topic: &Arc<str>, message: Bytes) {
        let state = &mut *lock(&self.state);
        if state.has_room(message.len(), self.limit, 1) {
            state.push(Item::Message(topic.clone(), message));
        } else if state.gaps.insert(topic.clone()) {
            state.items.push_back((Item::Gap(topic.clone()), Instant::now()));
        }
        self.changed.notify_one();
    }

    /// Appends a signal. Signals may use twice the limit, as nobody is notified of lost ones.
    pub(crate) fn push_signal(&self, signal: Bytes) {
        let state = &mut *lock(&self.state);
        if state.has_room(signal.len(), self.limit, 2) {
            state.push(Item::Signal(signal));
        }
        self.changed.notify_one();
    }

    /// Records that messages of all topics may have been lost before this connection.
    pub(crate) fn push_resynchronise(&self, connection: u64) {
        let state = &mut *lock(&self.state);
        match &mut state.connection {
            Some(known) => *known = connection.max(*known),
            None => {
                state.connection = Some(connection);
                state.items.push_back((Item::Resynchronise(connection), Instant::now()));
            }
        }
        self.changed.notify_one();
    }

    /// Returns the oldest item, if any, with the time of its arrival.
    pub(crate) fn try_pop(&self) -> Option<(Item, Instant)> {
        lock(&self.state).pop()
    }

    /// Waits for the oldest item.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(crate) async fn pop(&self) -> (Item, Instant) {
        loop {
            if let Some(item) = self.try_pop() {
                return item;
            }
            self.changed.notified().await;
        }
    }
}

impl State {
    fn has_room(&self, len: usize, limit: QueueLimit, times: usize) -> bool {
        self.messages < limit.messages().saturating_mul(times)
            && self.bytes.saturating_add(len) <= limit.bytes().saturating_mul(times)
    }

    fn push(&mut self, item: Item) {
        self.messages += 1;
        self.bytes += item.len();
        self.items.push_back((item, Instant::now()));
    }

    fn pop(&mut self) -> Option<(Item, Instant)> {
        let (mut item, arrived) = self.items.pop_front()?;
        match &mut item {
            Item::Message(..) | Item::Signal(_) => {
                self.messages -= 1;
                self.bytes -= item.len();
            }
            Item::Gap(topic) => _ = self.gaps.remove(topic),
            Item::Resynchronise(connection) => *connection = mem::take(&mut self.connection).unwrap_or(*connection),
        }
        if self.items.is_empty() && self.items.capacity() > 1024 {
            self.items = VecDeque::new();
        }
        Some((item, arrived))
    }
}

impl Item {
    fn len(&self) -> usize {
        match self {
            Self::Message(_, bytes) | Self::Signal(bytes) => bytes.len(),
            Self::Gap(_) | Self::Resynchronise(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(inbox: &Inbox) -> Vec<Item> {
        std::iter::from_fn(|| inbox.try_pop()).map(|(item, _)| item).collect()
    }

    fn message(topic: &Arc<str>, text: &'static str) -> Item {
        Item::Message(topic.clone(), text.into())
    }

    #[test]
    fn messages_without_room_become_one_gap_of_their_topic() {
        let (a, b) = (Arc::from("a"), Arc::from("b"));
        let inbox = Inbox::new(QueueLimit::new(3, 10));
        for text in ["1", "2"] {
            inbox.push_message(&a, text.into());
        }
        inbox.push_message(&b, "too long".into());
        inbox.push_message(&b, "too long, and one more".into());
        for text in ["3", "4", "5"] {
            inbox.push_message(&a, text.into());
        }
        // One more than the limit of messages has room for.
        inbox.push_signal("signal".into());
        let expected = [
            message(&a, "1"),
            message(&a, "2"),
            message(&b, "too long"),
            Item::Gap(b.clone()),
            Item::Gap(a.clone()),
            Item::Signal("signal".into()),
        ];
        assert_eq!(all(&inbox), expected);
        inbox.push_message(&a, "6".into());
        inbox.push_message(&b, "longer than ten".into());
        assert_eq!(all(&inbox), [message(&a, "6"), Item::Gap(b)]);
    }

    #[test]
    fn signals_are_bounded() {
        let inbox = Inbox::new(QueueLimit::new(2, 10));
        for _ in 0..10 {
            inbox.push_signal("s".into());
        }
        assert_eq!(all(&inbox).len(), 4);
    }

    #[test]
    fn resynchronisation_is_queued_once_with_the_last_connection() {
        let topic = Arc::from("t");
        let inbox = Inbox::new(QueueLimit::default());
        inbox.push_resynchronise(2);
        inbox.push_message(&topic, "1".into());
        inbox.push_resynchronise(3);
        inbox.push_resynchronise(0);
        assert_eq!(all(&inbox), [Item::Resynchronise(3), message(&topic, "1")]);
        inbox.push_resynchronise(4);
        assert_eq!(all(&inbox), [Item::Resynchronise(4)]);
    }

    #[tokio::test]
    async fn pop_waits_for_an_item() {
        let inbox = Arc::new(Inbox::new(QueueLimit::default()));
        let popping = {
            let inbox = inbox.clone();
            tokio::spawn(async move { inbox.pop().await })
        };
        tokio::task::yield_now().await;
        inbox.push_signal("s".into());
        assert_eq!(popping.await.unwrap().0, Item::Signal("s".into()));
    }
}
