//! The topics that this node is subscribed to in Redis, on the current connection.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use redis::RedisResult;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, timeout};

use crate::error::RedisBackendError;
use crate::keys::Keys;
use crate::server::Connection;
use crate::sync::lock;

/// The number of channels per command, so that neither Redis nor the connection is blocked for
/// long.
const CHUNK: usize = 500;

#[derive(Debug)]
pub(crate) struct Subscriptions {
    keys: Keys,
    timeout: Duration,
    topics: Mutex<HashSet<Arc<str>>>,
    /// The connection that is subscribed to all topics.
    connection: watch::Sender<Option<Connection>>,
}

impl Subscriptions {
    pub(crate) fn new(keys: Keys, timeout: Duration) -> Self {
        Self { keys, timeout, topics: Mutex::default(), connection: watch::Sender::new(None) }
    }

    pub(crate) fn topics(&self) -> Vec<Arc<str>> {
        lock(&self.topics).iter().cloned().collect()
    }

    /// Subscribes a new connection to all topics and to other channels, and makes it the current
    /// one.
    pub(crate) async fn connected(&self, mut connection: Connection, others: &[String]) -> RedisResult<()> {
        connection.redis.subscribe(others).await?;
        subscribe(&self.keys, &mut connection, &self.topics()).await?;
        // Topics that are added meanwhile are subscribed by the tasks that wait for the connection.
        self.connection.send_replace(Some(connection));
        Ok(())
    }

    pub(crate) fn disconnected(&self) {
        self.connection.send_replace(None);
    }

    /// Subscribes to topics, on the next connection if this one is lost.
    pub(crate) async fn add(&self, topics: &[Arc<str>]) -> Result<(), RedisBackendError> {
        let begun = Instant::now();
        let left = || self.timeout.saturating_sub(begun.elapsed());
        // Added before they are subscribed, so that a new connection includes them.
        lock(&self.topics).extend(topics.iter().cloned());
        let mut connections = self.connection.subscribe();
        loop {
            let Ok(Ok(Some(mut connection))) = timeout(left(), connections.wait_for(Option::is_some))
                .await
                .map(|found| found.map(|found| found.clone()))
            else {
                break;
            };
            match subscribe(&self.keys, &mut connection, topics).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_io_error() => {
                    // The loss of the connection is detected soon, at the latest by the next check.
                    if !matches!(timeout(left(), connections.changed()).await, Ok(Ok(()))) {
                        break;
                    }
                }
                Err(error) => {
                    self.forget(topics);
                    return Err(RedisBackendError::Command(error));
                }
            }
        }
        self.forget(topics);
        Err(RedisBackendError::Disconnected)
    }

    /// Unsubscribes from topics. Nothing is needed if the connection is lost.
    pub(crate) async fn remove(&self, topics: &[Arc<str>]) -> Result<(), RedisBackendError> {
        self.forget(topics);
        let Some(mut connection) = self.connection.borrow().clone() else { return Ok(()) };
        for topics in topics.chunks(CHUNK) {
            let channels: Vec<_> = topics.iter().map(|topic| self.keys.channel(topic)).collect();
            connection.redis.unsubscribe(channels).await.map_err(RedisBackendError::Command)?;
        }
        Ok(())
    }

    fn forget(&self, topics: &[Arc<str>]) {
        let mut known = lock(&self.topics);
        for topic in topics {
            known.remove(topic);
        }
    }
}

async fn subscribe(keys: &Keys, connection: &mut Connection, topics: &[Arc<str>]) -> RedisResult<()> {
    for topics in topics.chunks(CHUNK) {
        let channels: Vec<_> = topics.iter().map(|topic| keys.channel(topic)).collect();
        connection.redis.subscribe(channels).await?;
    }
    Ok(())
}
