use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use async_nats::rustls::crypto::{CryptoProvider, ring};
use async_nats::{ConnectOptions, ServerAddr, ToServerAddrs};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use websocket_hub::backend::{Backend, Capabilities, History, HistoryQuery, Node, Presence, Publication, Signal};
use websocket_hub::{BackendError, Position, QueueLimit};

use crate::confirmations::Confirmations;
use crate::error::{ConfigError, NatsBackendError};
use crate::events::Events;
use crate::gathering::Gathering;
use crate::inbox::Inbox;
use crate::link::Link;
use crate::reader::{self, Feed};
use crate::subject::Subjects;
use crate::sync::lock;
use crate::wire::Control;

/// The maximum number of pending queries of other nodes.
const MAX_QUESTIONS: usize = 1024;

/// The time that a node has to discover the others after its start.
const DISCOVERY: Duration = Duration::from_millis(500);

/// A [`Backend`] that transports the messages of a hub through the subjects of a NATS server or
/// cluster. See the [crate] for its guarantees.
///
/// ```no_run
/// use websocket_hub::{Hub, HubConfig};
/// use websocket_hub_nats::Nats;
///
/// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
/// let backend = Nats::new("nats://127.0.0.1:4222")?.prefix("chat");
/// let hub = Hub::with_backend(backend, HubConfig::new()).await?;
/// # Ok(())
/// # }
/// ```
pub struct Nats {
    servers: Vec<ServerAddr>,
    options: ConnectOptions,
    prefix: String,
    timeout: Duration,
    presence_timeout: Duration,
    inbox: QueueLimit,
    running: OnceLock<Running>,
}

/// The state of a connected backend. Its tasks end when this is dropped.
struct Running {
    link: Arc<Link>,
    started: Instant,
    /// Unbounded, as the hub sends one feed at a time, which is received immediately.
    feeds: mpsc::UnboundedSender<Feed>,
    topics: Mutex<HashMap<Arc<str>, oneshot::Sender<Infallible>>>,
    _between_nodes: [oneshot::Sender<Infallible>; 2],
    _tasks: JoinSet<()>,
}

impl Nats {
    /// Creates a backend for a server, or for the servers of a cluster, of which any may be used.
    /// It connects when the hub starts it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if an address is malformed, or there is none.
    pub fn new(servers: impl ToServerAddrs) -> Result<Self, ConfigError> {
        let servers: Vec<_> = servers.to_server_addrs().map_err(ConfigError::Address)?.collect();
        if servers.is_empty() {
            return Err(ConfigError::NoAddress);
        }
        Ok(Self {
            servers,
            options: ConnectOptions::new().ping_interval(Duration::from_secs(5)),
            prefix: "websocket-hub".to_owned(),
            timeout: Duration::from_secs(5),
            presence_timeout: Duration::from_millis(500),
            inbox: QueueLimit::new(16_384, 64 * 1024 * 1024),
            running: OnceLock::new(),
        })
    }

    /// Sets the options of the connection: credentials, TLS, intervals. Default: the client's
    /// defaults, but with pings every 5 s instead of 60 s, so that an unreachable server is
    /// detected after 15 s.
    ///
    /// The backend overrides two options: the event callback, and the number of attempts to
    /// reconnect, which is unlimited.
    #[must_use]
    pub fn options(mut self, options: ConnectOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets the first tokens of all subjects. Default: `websocket-hub`. Hubs with the same prefix
    /// are the nodes of one hub. The hub does not start if NATS does not allow the prefix, or it is
    /// longer than 255 bytes.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets the timeout for confirmations of the server. Default: 5 s. When it expires, publishing
    /// and subscribing fail with [`NatsBackendError::TimedOut`].
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the timeout for nodes to report their members. Default: 500 ms.
    /// [`Hub::presence`](websocket_hub::Hub::presence) waits that long only for a node that has
    /// ended, and only once; that node is not counted. In the first 500 ms after the start, it waits
    /// until they have passed, but not longer than the timeout, as the node discovers the others
    /// meanwhile.
    #[must_use]
    pub fn presence_timeout(mut self, timeout: Duration) -> Self {
        self.presence_timeout = timeout;
        self
    }

    /// Sets the maximum number of messages, and of their bytes, that wait for delivery. Default:
    /// 16,384 messages and 64 MiB. Messages above it are dropped, and the members of their topics
    /// receive a [`Gap`](websocket_hub::Notice::Gap). The same limits apply separately to messages
    /// to users.
    #[must_use]
    pub fn inbox(mut self, limit: QueueLimit) -> Self {
        self.inbox = limit;
        self
    }

    async fn connect(&self, node: Node) -> Result<Running, NatsBackendError> {
        let id = node.id().map_err(|_| NatsBackendError::NotRunning)?;
        let subjects = Subjects::new(&self.prefix)?;
        if CryptoProvider::get_default().is_none() {
            // Otherwise rustls panics if it was compiled with several providers, and a server can demand
            // TLS. If another one was installed meanwhile, that one is used.
            let _ = ring::default_provider().install_default();
        }
        let (options, events) = Events::count(self.options.clone().max_reconnects(None));
        let client = options.connect(self.servers.as_slice()).await.map_err(NatsBackendError::Connect)?;
        let (nodes, own) = (client.subscribe(subjects.nodes()).await, client.subscribe(subjects.node(id)).await);
        let between_nodes = [nodes.map_err(NatsBackendError::Subscribe)?, own.map_err(NatsBackendError::Subscribe)?];

        let link = Arc::new(Link {
            node,
            id,
            subjects,
            timeout: self.timeout,
            events,
            inbox: Inbox::new(self.inbox),
            confirmations: Confirmations::default(),
            gathering: Gathering::default(),
            synchronised: watch::Sender::new(Events::connections(&client)),
            client,
        });
        let ((feeds, added), (questions, asked)) = (mpsc::unbounded_channel(), mpsc::channel(MAX_QUESTIONS));
        let between_nodes = between_nodes.map(|subscriber| {
            let (feed, end) = Feed::new(None, subscriber);
            // Cannot fail: the receiver is in scope.
            let _ = feeds.send(feed);
            end
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(reader::run(link.clone(), added, questions));
        tasks.spawn({
            let link = link.clone();
            // The task ends with the hub, so there is nothing to report the error to.
            async move { _ = link.deliver().await }
        });
        tasks.spawn({
            let link = link.clone();
            async move {
                let own = link.subjects.node(link.id);
                let echoing = link.confirmations.run(&link.client, &own, link.events.clone());
                tokio::join!(echoing, link.watch(), link.answer(asked));
            }
        });
        link.gathering.meet(id);
        link.ask_for_nodes().await;
        let started = Instant::now();
        link.subscribed().await?;
        Ok(Running { link, started, feeds, topics: Mutex::default(), _between_nodes: between_nodes, _tasks: tasks })
    }

    fn running(&self) -> Result<&Running, NatsBackendError> {
        self.running.get().ok_or(NatsBackendError::NotRunning)
    }
}

impl Running {
    async fn subscribe(&self, topics: &[Arc<str>]) -> Result<(), NatsBackendError> {
        let mut subscribers = Vec::with_capacity(topics.len());
        for topic in topics {
            let subject = self.link.subjects.topic(topic)?;
            // If the client accepts no command, the connection is lost and its queue is full.
            let subscribing = timeout(self.link.timeout, self.link.client.subscribe(subject)).await;
            let subscribing = subscribing.map_err(|_| NatsBackendError::TimedOut(self.link.timeout))?;
            subscribers.push((topic, subscribing.map_err(NatsBackendError::Subscribe)?));
        }
        // Messages that are received meanwhile are stored by the subscribers, which unsubscribe if
        // this fails or is dropped.
        self.link.subscribed().await?;
        let mut known = lock(&self.topics);
        for (topic, subscriber) in subscribers {
            let (feed, end) = Feed::new(Some(topic.clone()), subscriber);
            known.insert(topic.clone(), end);
            self.feeds.send(feed).map_err(|_| NatsBackendError::NotRunning)?;
        }
        Ok(())
    }

    async fn count(&self, topic: &str, limit: Duration) -> Result<Presence, NatsBackendError> {
        let (link, begin) = (&self.link, Instant::now());
        let mut question = link.gathering.open();
        let asked = Control::Question { from: link.id, number: question.number, topic: topic.to_owned() };
        let answered = async {
            link.client.publish(link.subjects.nodes(), asked.to_bytes()).await.map_err(NatsBackendError::Publish)?;
            question.complete().await;
            sleep(DISCOVERY.saturating_sub(self.started.elapsed())).await;
            Ok(())
        };
        // Without the responses of nodes that are too slow.
        timeout(limit, answered).await.unwrap_or(Ok(()))?;
        let figures = question.close(link.id).ok_or(NatsBackendError::TimedOut(limit))?;
        Ok(Presence::new(figures.members as usize, figures.nodes, begin.elapsed()))
    }
}

impl Backend for Nats {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new().subscribes()
    }

    async fn start(&self, node: Node) -> Result<(), BackendError> {
        let running = self.connect(node).await.map_err(BackendError::new)?;
        self.running.set(running).map_err(|_| BackendError::new(NatsBackendError::AlreadyStarted))
    }

    async fn publish(&self, topic: &str, publication: Publication) -> Result<Position, BackendError> {
        let link = &self.running().map_err(BackendError::new)?.link;
        let subject = link.subjects.topic(topic).map_err(BackendError::new)?;
        link.publish(subject, publication.to_bytes()).await.map_err(BackendError::new)?;
        Ok(Position::UNKNOWN)
    }

    async fn subscribe(&self, topics: &[Arc<str>]) -> Result<(), BackendError> {
        let running = self.running().map_err(BackendError::new)?;
        running.subscribe(topics).await.map_err(BackendError::new)
    }

    async fn unsubscribe(&self, topics: &[Arc<str>]) -> Result<(), BackendError> {
        let mut known = lock(&self.running().map_err(BackendError::new)?.topics);
        for topic in topics {
            // This ends its feed.
            known.remove(topic);
        }
        Ok(())
    }

    async fn history(&self, _topic: &str, query: HistoryQuery) -> Result<History, BackendError> {
        Ok(History::new(Position::UNKNOWN, Vec::new(), query.since.is_none()))
    }

    async fn signal(&self, signal: Signal) -> Result<(), BackendError> {
        let link = &self.running().map_err(BackendError::new)?.link;
        let signal = Control::Signal(signal.to_bytes()).to_bytes();
        link.publish(link.subjects.nodes(), signal).await.map_err(BackendError::new)
    }

    async fn count(&self, topic: &str) -> Result<Presence, BackendError> {
        let running = self.running().map_err(BackendError::new)?;
        running.count(topic, self.presence_timeout).await.map_err(BackendError::new)
    }
}

/// Omits the addresses, which may contain passwords.
impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
