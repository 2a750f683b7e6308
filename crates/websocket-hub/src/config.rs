//! The configuration of a hub.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tower_websocket::{Budget, Message};

use crate::observer::HubObserver;
use crate::position::Position;
use crate::subscribe::QueueLimit;

/// The configuration of a [`Hub`](crate::Hub). The order of the calls does not matter.
///
/// | limit | default | beyond it |
/// |---|---|---|
/// | [`inbox`](Self::inbox) | 1,024 messages for each shard | publishing waits |
/// | [`member_queue`](Self::member_queue) | 1,024 messages, 4 MiB | the subscription's [`Overflow`](crate::Overflow) |
/// | [`direct_queue`](Self::direct_queue) | 256 messages, 1 MiB | the connection is closed with 1013 |
/// | [`max_topics`](Self::max_topics) | 100,000 | subscribing fails |
/// | [`max_topics_per_member`](Self::max_topics_per_member) | 128 | subscribing fails |
/// | [`max_topic_len`](Self::max_topic_len) | 255 bytes | publishing and subscribing fail |
/// | [`max_members_per_user`](Self::max_members_per_user) | none | joining fails |
/// | [`history`](Self::history) | none is kept | the oldest messages are dropped |
///
/// ```
/// use std::time::Duration;
///
/// use websocket_hub::{HistoryLimit, HubConfig, Message};
///
/// let config = HubConfig::new()
///     .history(HistoryLimit::new(100).age(Duration::from_secs(60)))
///     .frame(|publication| {
///         let text = publication.message.as_text().unwrap_or_default();
///         Message::text(format!(r#"{{"position":"{}","data":{text}}}"#, publication.position))
///     });
/// # let _ = config;
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct HubConfig(pub(crate) Settings);

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) shards: Option<usize>,
    pub(crate) inbox: usize,
    pub(crate) member_queue: QueueLimit,
    pub(crate) direct_queue: QueueLimit,
    pub(crate) max_topics: usize,
    pub(crate) max_topics_per_member: usize,
    pub(crate) max_topic_len: usize,
    pub(crate) max_members_per_user: Option<usize>,
    pub(crate) history: Option<HistoryLimit>,
    pub(crate) linger: Duration,
    pub(crate) budget: Option<Budget>,
    pub(crate) frame: Option<Frame>,
    pub(crate) observer: Option<Arc<dyn HubObserver>>,
}

pub(crate) type Frame = Arc<dyn Fn(&ToFrame<'_>) -> Message + Send + Sync>;

/// The argument of [`HubConfig::frame`]: a message to be framed.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ToFrame<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The position. [`Position::UNKNOWN`] for messages of
    /// [`publish_local`](crate::Hub::publish_local).
    pub position: Position,
    /// The message as published.
    pub message: &'a Message,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            shards: None,
            inbox: 1024,
            member_queue: QueueLimit::new(1024, 4 * 1024 * 1024),
            direct_queue: QueueLimit::default(),
            max_topics: 100_000,
            max_topics_per_member: 128,
            max_topic_len: 255,
            max_members_per_user: None,
            history: None,
            linger: Duration::from_secs(5),
            budget: None,
            frame: None,
            observer: None,
        }
    }
}

impl HubConfig {
    /// Creates the default configuration.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps messages in the memory of this process, for members that join late or return. Default:
    /// none. Applies to [`Hub::new`](crate::Hub::new); other backends have their own settings.
    pub fn history(self, limit: HistoryLimit) -> Self {
        self.with(|settings| settings.history = Some(limit))
    }

    /// Sets a function that frames each message of a topic for clients, for example with its
    /// position so that they can resume. It is called once per message and node, not once per
    /// member, and must not block. If it panics, the message is not sent, and its members receive a
    /// [`Gap`](crate::Notice::Gap).
    pub fn frame(self, frame: impl Fn(&ToFrame<'_>) -> Message + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.frame = Some(Arc::new(frame)))
    }

    /// Sets the observer. Default: none.
    pub fn observer(self, observer: impl HubObserver) -> Self {
        self.with(|settings| settings.observer = Some(Arc::new(observer)))
    }

    /// Charges a budget with the messages that the hub holds: those being delivered, those queued
    /// for slow members and those of the history. Each is charged once, regardless of the number of
    /// members. It is usually the budget of [`Config::budget`](tower_websocket::Config::budget),
    /// which refuses new connections when it is spent. Default: none.
    pub fn budget(self, budget: &Budget) -> Self {
        let budget = budget.clone();
        self.with(|settings| settings.budget = Some(budget))
    }

    /// Sets the number of tasks that deliver messages. Default: one per thread of the runtime.
    pub fn shards(self, shards: usize) -> Self {
        self.with(|settings| settings.shards = Some(shards))
    }

    /// Sets the number of messages that may be queued for a shard's task. Default: 1,024. Minimum:
    /// 1. Above it, publishing waits.
    pub fn inbox(self, messages: usize) -> Self {
        self.with(|settings| settings.inbox = messages)
    }

    /// Sets the number of messages of all topics together, and of their bytes, that may be queued
    /// for a member. Default: 1,024 messages and 4 MiB. Above it, the [`Overflow`](crate::Overflow)
    /// of the subscription that receives a message applies as if its own queue were full.
    pub fn member_queue(self, limit: QueueLimit) -> Self {
        self.with(|settings| settings.member_queue = limit)
    }

    /// Sets the number of messages to its [user](crate::Hub::send_to_user), and of their bytes,
    /// that may be queued for a member. Default: 256 messages and 1 MiB. Above it, the connection
    /// is closed with 1013.
    pub fn direct_queue(self, limit: QueueLimit) -> Self {
        self.with(|settings| settings.direct_queue = limit)
    }

    /// Sets the number of topics that may have members on this node. Default: 100,000. Above it,
    /// subscribing fails.
    pub fn max_topics(self, topics: usize) -> Self {
        self.with(|settings| settings.max_topics = topics)
    }

    /// Sets the number of topics that a member may be subscribed to. Default: 128. Above it,
    /// subscribing fails.
    pub fn max_topics_per_member(self, topics: usize) -> Self {
        self.with(|settings| settings.max_topics_per_member = topics)
    }

    /// Sets the maximum length of a topic name in bytes. Default: 255. Above it, publishing and
    /// subscribing fail.
    pub fn max_topic_len(self, bytes: usize) -> Self {
        self.with(|settings| settings.max_topic_len = bytes)
    }

    /// Sets the number of members that may [join as](crate::Hub::join_as) the same user on this
    /// node. Default: no limit. Above it, joining fails.
    pub fn max_members_per_user(self, members: impl Into<Option<usize>>) -> Self {
        let members = members.into();
        self.with(|settings| settings.max_members_per_user = members)
    }

    /// Sets how long a topic stays subscribed at the backend after its last member has left.
    /// Default: 5 s. It has no effect without a backend.
    pub fn linger(self, time: Duration) -> Self {
        self.with(|settings| settings.linger = time)
    }

    fn with(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(&mut self.0);
        self
    }
}

impl fmt::Debug for HubConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { frame, observer, .. } = &self.0;
        f.debug_struct("HubConfig")
            .field("shards", &self.0.shards)
            .field("inbox", &self.0.inbox)
            .field("member_queue", &self.0.member_queue)
            .field("direct_queue", &self.0.direct_queue)
            .field("max_topics", &self.0.max_topics)
            .field("max_topics_per_member", &self.0.max_topics_per_member)
            .field("max_topic_len", &self.0.max_topic_len)
            .field("max_members_per_user", &self.0.max_members_per_user)
            .field("history", &self.0.history)
            .field("linger", &self.0.linger)
            .field("budget", &self.0.budget)
            .field("frame", &frame.is_some())
            .field("observer", &observer.is_some())
            .finish()
    }
}

/// Limits the messages of a topic that are kept for members that join late or return. The oldest
/// messages are dropped when any of the limits is exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct HistoryLimit {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    pub(crate) age: Duration,
    pub(crate) topics: usize,
}

impl HistoryLimit {
    /// Creates a limit of this number of messages per topic, 1 MiB and 10 minutes, for at most
    /// 10,000 topics.
    pub fn new(messages: usize) -> Self {
        Self { messages, bytes: 1024 * 1024, age: Duration::from_secs(600), topics: 10_000 }
    }

    /// Sets the maximum number of bytes of a topic's messages, including an overhead of 128 bytes
    /// each. Default: 1 MiB.
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// Sets how long a message is kept, and a topic without members and messages. Default: 10
    /// minutes.
    pub fn age(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// Sets the maximum number of topics with a history. Default: 10,000. Messages of further
    /// topics are delivered but not kept, so that resuming reports [`Lost`](crate::Recovery::Lost).
    pub fn topics(mut self, topics: usize) -> Self {
        self.topics = topics;
        self
    }
}
