//! The hub behind its handles.

use std::fmt;
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::backend::erased::{self, AnyBackend};
use crate::backend::{Backend, HistoryQuery, InProcess};
use crate::config::{HubConfig, Settings};
use crate::delivery::queue::Rule;
use crate::delivery::router::Router;
use crate::delivery::subscriber::{Joined, Reached, Subscriber};
use crate::error::{BackendError, PublishError, SubscribeError, TopicError};
use crate::interest::{Interest, Lease, Work};
use crate::position::Position;
use crate::publication::{Delivery, MemberId, Publication};
use crate::subscribe::{Recovery, Subscribe, Subscribed};
use tower_websocket::PreparedMessage;

/// The number of times that the history is read, if more is published in the meantime than a
/// subscription may queue.
const ATTEMPTS: usize = 3;

pub(crate) struct Core {
    pub(crate) router: Arc<Router>,
    pub(crate) backend: Arc<dyn AnyBackend>,
    interest: Arc<Interest>,
}

/// A subscription that is not live yet. Dropping it ends the subscription.
struct Beginning<'a> {
    core: &'a Core,
    subscriber: &'a Arc<Subscriber>,
    id: u32,
}

impl Core {
    /// Starts a hub in this process.
    pub(crate) fn in_process(config: HubConfig, runtime: Handle) -> Arc<Self> {
        let backend = Arc::new(InProcess::new(config.0.history));
        let (core, node) = Self::new(config.0, backend.clone(), runtime);
        // Cannot fail, since the hub exists.
        let _ = backend.attach(node);
        core
    }

    /// Starts a hub with a backend.
    pub(crate) async fn with_backend<B: Backend>(
        config: HubConfig,
        backend: B,
        runtime: Handle,
    ) -> Result<Arc<Self>, BackendError> {
        let (core, node) = Self::new(config.0, Arc::new(backend), runtime);
        core.backend.start(node).await?;
        Ok(core)
    }

    fn new<B: Backend>(settings: Settings, backend: Arc<B>, runtime: Handle) -> (Arc<Self>, crate::backend::Node) {
        let interest = Arc::new(Interest::new(settings.linger));
        let router = Arc::new(Router::start(settings, runtime));
        let node = erased::node(&backend, &router, &interest);
        if Backend::capabilities(&*backend).needs_subscriptions {
            router.shared.runtime.spawn(keep_subscribed(interest.clone(), backend.clone()));
        }
        (Arc::new(Self { router, backend, interest }), node)
    }

    pub(crate) fn check_topic(&self, topic: &str) -> Result<(), TopicError> {
        let limit = self.router.shared.settings.max_topic_len;
        match topic.len() {
            0 => Err(TopicError::Empty),
            len if len > limit => Err(TopicError::TooLong { len, limit }),
            _ => Ok(()),
        }
    }

    pub(crate) async fn publish(
        &self,
        topic: &str,
        message: PreparedMessage,
        except: Option<MemberId>,
    ) -> Result<Position, PublishError> {
        self.check_topic(topic)?;
        Ok(self.backend.publish(topic, Publication::except(message, except)).await?)
    }

    pub(crate) async fn publish_local(&self, topic: &str, message: PreparedMessage) -> Result<usize, PublishError> {
        self.check_topic(topic)?;
        Ok(self.router.reserve().await.deliver(topic, Position::UNKNOWN, Publication::new(message)))
    }

    /// Subscribes in three steps: live messages are queued, then the history is read, then both are
    /// sent in order. Messages of the history that are delivered later are not sent again.
    pub(crate) async fn subscribe(
        &self,
        subscriber: &Arc<Subscriber>,
        topic: &str,
        options: Subscribe,
    ) -> Result<Subscribed, SubscribeError> {
        self.check_topic(topic)?;
        let shared = &self.router.shared;
        let rule = Rule { limit: options.queue, overflow: options.overflow };
        let (id, name) = subscriber.begin(shared, topic, rule)?;
        let _beginning = Beginning { core: self, subscriber, id };
        let mut lease = self.acquire(&name).await?;
        let query = HistoryQuery::new(options.since, options.recent);
        let mut attempts = 0;
        loop {
            let history = self.backend.read_history(topic, query).await?;
            self.interest.begin_at(topic, history.reached);
            let deliver = |(position, publication)| Delivery { topic: Some(name.clone()), position, publication };
            let missed: Vec<_> = history.messages.into_iter().map(|message| Arc::new(deliver(message))).collect();
            attempts += 1;
            let is_last = attempts == ATTEMPTS;
            let recovery = match options.since {
                None => Recovery::NotRequested,
                Some(_) if !history.is_complete => Recovery::Lost,
                Some(_) if missed.is_empty() => Recovery::NothingMissed,
                Some(_) => Recovery::Recovered(missed.len()),
            };
            let is_sent = options.since.is_some() || options.recent > 0;
            let reached = Reached { position: history.reached, is_sent };
            match subscriber.go_live(shared, id, &missed, reached, &mut lease, is_last) {
                Joined::Live => return Ok(Subscribed::new(history.reached, recovery)),
                Joined::LiveWithLoss => return Ok(Subscribed::new(history.reached, Recovery::Lost)),
                Joined::Again => {}
                Joined::Ended => return Err(SubscribeError::Closed),
            }
        }
    }

    async fn acquire(&self, topic: &Arc<str>) -> Result<Option<Lease>, BackendError> {
        if self.backend.capabilities().needs_subscriptions {
            self.interest.acquire(topic).await.map(Some)
        } else {
            Ok(None)
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.interest.close();
    }
}

impl Drop for Beginning<'_> {
    fn drop(&mut self) {
        self.subscriber.abandon(&self.core.router.shared, self.id);
    }
}

/// Subscribes at the backend to the topics that members need, until the hub is dropped.
async fn keep_subscribed<B: Backend>(interest: Arc<Interest>, backend: Arc<B>) {
    loop {
        match interest.next_work().await {
            Work::Subscribe(topics) => {
                let outcome = backend.subscribe(&topics).await;
                interest.subscribed(&topics, &outcome);
            }
            // Messages of unneeded topics are ignored, so a failure does not matter.
            Work::Unsubscribe(topics) => _ = backend.unsubscribe(&topics).await,
            Work::End => return,
        }
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("router", &self.router).finish_non_exhaustive()
    }
}
