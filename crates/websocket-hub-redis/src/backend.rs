use std::fmt;
use std::sync::{Arc, OnceLock};

use tokio::task::AbortHandle;
use websocket_hub::backend::{Backend, Capabilities, History, HistoryQuery, Node, Presence, Publication, Signal};
use websocket_hub::{BackendError, HubDropped, Position};

use crate::commands::Commands;
use crate::config::RedisConfig;
use crate::control::Control;
use crate::error::{InvalidTls, RedisBackendError};
use crate::keys::Keys;
use crate::listener::Listener;
use crate::presence::Questions;
use crate::scripts::{self, Topics};
use crate::server::Server;
use crate::subscriptions::Subscriptions;

/// A hub backend for Redis. Each backend makes its hub a node. It uses two connections and one
/// task, which end with the hub.
pub struct RedisBackend {
    config: RedisConfig,
    keys: Keys,
    server: Server,
    commands: Commands,
    /// `None` for pub/sub.
    streams: Option<Arc<Topics>>,
    subscriptions: Arc<Subscriptions>,
    questions: Arc<Questions>,
    started: OnceLock<Started>,
}

struct Started {
    node: u64,
    listener: AbortHandle,
}

impl RedisBackend {
    /// Creates a backend. [`Hub::with_backend`](websocket_hub::Hub::with_backend) connects it.
    ///
    /// # Errors
    ///
    /// [`InvalidTls`] if a certificate is invalid, or the URL is not `rediss:` but certificates were
    /// set. Never without the feature `tls`.
    pub fn new(config: RedisConfig) -> Result<Self, InvalidTls> {
        let (server, keys) = (Server::new(&config)?, Keys::new(&config.prefix));
        Ok(Self {
            commands: Commands::new(server.clone(), config.timeout),
            streams: config.streams.map(|streams| Arc::new(Topics::new(keys.clone(), streams))),
            subscriptions: Arc::new(Subscriptions::new(keys.clone(), config.timeout)),
            questions: Arc::default(),
            started: OnceLock::new(),
            config,
            keys,
            server,
        })
    }

    fn started(&self) -> Result<&Started, BackendError> {
        self.started.get().ok_or_else(|| BackendError::new(HubDropped))
    }

    async fn read(&self, streams: &Topics, topic: &str, query: HistoryQuery) -> Result<History, RedisBackendError> {
        let reply = self.commands.run_repeatedly(|connection| streams.history(connection, topic, query)).await?;
        scripts::parse_history(query, reply)
    }

    /// Publishes a message. Returns the number of nodes, or of other connections, that received it.
    async fn publish_to(&self, channel: &str, payload: &[u8]) -> Result<usize, RedisBackendError> {
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(channel).arg(payload);
        self.commands.run(|mut connection| async move { publish.query_async(&mut connection.redis).await }).await
    }
}

impl Backend for RedisBackend {
    fn capabilities(&self) -> Capabilities {
        let capabilities = Capabilities::new().subscribes();
        if self.streams.is_some() { capabilities.contiguous().history() } else { capabilities }
    }

    async fn start(&self, node: Node) -> Result<(), BackendError> {
        let id = node.id().map_err(BackendError::new)?;
        let listener = Listener {
            server: self.server.clone(),
            keys: self.keys.clone(),
            node,
            id,
            streams: self.streams.clone(),
            subscriptions: self.subscriptions.clone(),
            questions: self.questions.clone(),
            check_interval: self.config.check_interval,
            inbox_messages: self.config.inbox_messages,
            inbox_bytes: self.config.inbox_bytes,
        };
        self.commands.connect().await.map_err(BackendError::new)?;
        let link = listener.connect().await.map_err(BackendError::new)?;
        let listener = tokio::spawn(listener.run(link)).abort_handle();
        if let Err(second) = self.started.set(Started { node: id, listener }) {
            second.listener.abort();
        }
        Ok(())
    }

    async fn publish(&self, topic: &str, publication: Publication) -> Result<Position, BackendError> {
        let payload = publication.to_bytes();
        let Some(streams) = &self.streams else {
            let published = self.publish_to(&self.keys.channel(topic), &payload).await;
            return published.map(|_| Position::UNKNOWN).map_err(BackendError::new);
        };
        // Only once: if the connection is lost, it is unknown whether the message was published.
        let position = self.commands.run(|connection| streams.publish(connection, topic, &payload)).await;
        let position = position.map_err(BackendError::new)?;
        position.parse().map_err(|_| BackendError::new(RedisBackendError::UnexpectedReply))
    }

    async fn subscribe(&self, topics: &[Arc<str>]) -> Result<(), BackendError> {
        self.subscriptions.add(topics).await.map_err(BackendError::new)
    }

    async fn unsubscribe(&self, topics: &[Arc<str>]) -> Result<(), BackendError> {
        self.subscriptions.remove(topics).await.map_err(BackendError::new)
    }

    async fn history(&self, topic: &str, mut query: HistoryQuery) -> Result<History, BackendError> {
        let Some(streams) = &self.streams else {
            return Ok(History::new(Position::UNKNOWN, Vec::new(), query.since.is_none()));
        };
        let mut history = self.read(streams, topic, query).await.map_err(BackendError::new)?;
        if !history.is_complete && query.recent > 0 {
            query.since = None;
            history = self.read(streams, topic, query).await.map_err(BackendError::new)?;
            history.is_complete = false;
        }
        Ok(history)
    }

    async fn signal(&self, signal: Signal) -> Result<(), BackendError> {
        let control = Control::Signal(signal).to_bytes();
        match self.publish_to(&self.keys.control(), &control).await {
            // Not received by any node, including this one.
            Ok(0) => Err(BackendError::new(RedisBackendError::Disconnected)),
            Ok(_) => Ok(()),
            Err(error) => Err(BackendError::new(error)),
        }
    }

    async fn count(&self, topic: &str) -> Result<Presence, BackendError> {
        let node = self.started()?.node;
        let question = self.questions.ask();
        let control = Control::Count { node, question: question.id, topic: topic.to_owned() };
        let nodes = self.publish_to(&self.keys.control(), &control.to_bytes()).await.map_err(BackendError::new)?;
        question.answers(nodes).await.map_err(BackendError::new)
    }
}

impl Drop for RedisBackend {
    fn drop(&mut self) {
        if let Some(started) = self.started.get() {
            started.listener.abort();
        }
    }
}

impl fmt::Debug for RedisBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBackend").field("config", &self.config).finish_non_exhaustive()
    }
}
