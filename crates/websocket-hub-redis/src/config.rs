//! The configuration of the backend.

use std::time::Duration;

use redis::{ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

use crate::error::InvalidUrl;

/// The configuration of a [`RedisBackend`](crate::RedisBackend): pub/sub without a history, or
/// [streams](Self::streams) with one. The order of the calls does not matter.
///
/// | setting | default |
/// |---|---|
/// | [`streams`](Self::streams) | none: pub/sub |
/// | [`prefix`](Self::prefix) | `websocket-hub:` |
/// | [`timeout`](Self::timeout) | 5 s |
/// | [`check_interval`](Self::check_interval) | 20 s |
/// | [`inbox`](Self::inbox) | 16,384 messages and 64 MiB |
///
/// ```
/// use std::time::Duration;
///
/// use websocket_hub_redis::{RedisConfig, Streams};
///
/// # fn main() -> Result<(), websocket_hub_redis::InvalidUrl> {
/// let config = RedisConfig::new("redis://127.0.0.1/")?
///     .prefix("chat:")
///     .streams(Streams::new(1000).age(Duration::from_secs(3600)));
/// # let _ = config;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct RedisConfig {
    pub(crate) info: ConnectionInfo,
    pub(crate) streams: Option<Streams>,
    pub(crate) prefix: String,
    pub(crate) timeout: Duration,
    pub(crate) check_interval: Duration,
    pub(crate) inbox_messages: usize,
    pub(crate) inbox_bytes: usize,
}

impl RedisConfig {
    /// Creates a configuration for a server, by a URL such as `redis://user:password@host:6379/0`
    /// or `redis+unix:///path`, or by what else the crate `redis` takes. `rediss:` needs the
    /// feature `tls`. Redis 6 or later is needed, since it is spoken to in RESP3.
    ///
    /// # Errors
    ///
    /// [`InvalidUrl`], also for `rediss:` without the feature.
    pub fn new(url: impl IntoConnectionInfo) -> Result<Self, InvalidUrl> {
        let info = url.into_connection_info().map_err(InvalidUrl)?;
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        Ok(Self {
            info: info.set_redis_settings(settings),
            streams: None,
            prefix: "websocket-hub:".to_owned(),
            timeout: Duration::from_secs(5),
            check_interval: Duration::from_secs(20),
            inbox_messages: 16 * 1024,
            inbox_bytes: 64 * 1024 * 1024,
        })
    }

    /// Keeps the messages of each topic in a stream, so that members can resume, and so that
    /// nothing is lost when a connection to Redis is. All nodes must have the same setting. By
    /// default there is pub/sub alone.
    pub fn streams(mut self, streams: Streams) -> Self {
        self.streams = Some(streams);
        self
    }

    /// Sets what the names of all keys and channels begin with. The default is `websocket-hub:`.
    /// Hubs with the same prefix are nodes of one another, whatever the number of their database:
    /// Redis does not separate channels by database.
    pub fn prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Sets the time limit for making a connection and for each reply. The default is 5 s. Beyond
    /// it, an operation fails, and the connection is replaced.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how often the connection that receives messages is checked, and with
    /// [streams](Self::streams) whether the last messages of any topic were lost silently. The
    /// default is 20 s; each interval is up to a quarter shorter, at random, so that nodes do not
    /// check at the same time.
    pub fn check_interval(mut self, interval: Duration) -> Self {
        self.check_interval = interval;
        self
    }

    /// Sets the number of messages from Redis, and of their bytes, that may wait until they are
    /// delivered. The default is 16,384 messages and 64 MiB. Beyond it, the connection is treated
    /// as lost: with [streams](Self::streams) the rest is read from there, otherwise all members
    /// get a [`Gap`](websocket_hub::Notice::Gap).
    pub fn inbox(mut self, messages: usize, bytes: usize) -> Self {
        (self.inbox_messages, self.inbox_bytes) = (messages, bytes);
        self
    }
}

/// The messages of each topic that Redis keeps in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Streams {
    pub(crate) messages: usize,
    pub(crate) age: Duration,
    pub(crate) memory: Duration,
    pub(crate) is_durable: bool,
}

impl Streams {
    /// Keeps the last messages of each topic, at least this number: Redis trims a stream a node of
    /// about 100 messages at a time.
    pub fn new(messages: usize) -> Self {
        Self { messages, age: Duration::from_secs(600), memory: Duration::from_secs(24 * 3600), is_durable: false }
    }

    /// Sets how long the messages of a topic are kept after its last one. The default is 10
    /// minutes.
    pub fn age(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// Sets how long the position of a topic is kept after its last message, and after it was last
    /// needed by a member. The default is a day, the least is [`age`](Self::age). Later, the topic
    /// begins a new epoch, so that resuming from before reports
    /// [`Lost`](websocket_hub::Recovery::Lost).
    pub fn memory(mut self, memory: Duration) -> Self {
        self.memory = memory;
        self
    }

    /// Sets whether Redis has everything that it has confirmed after a restart or a failover, as it
    /// has with `appendonly yes` and `appendfsync always`. The default is `false`: topics begin a
    /// new epoch when another Redis process answers, since an older state would give the same
    /// offsets to other messages.
    pub fn durable(mut self, is_durable: bool) -> Self {
        self.is_durable = is_durable;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_url_is_refused() {
        for url in ["", "localhost", "http://localhost", "redis://localhost:x"] {
            assert!(RedisConfig::new(url).is_err(), "{url:?}");
        }
    }

    #[test]
    fn tls_needs_its_feature() {
        assert_eq!(RedisConfig::new("rediss://localhost").is_ok(), cfg!(feature = "tls"));
    }

    #[test]
    fn password_is_not_shown() {
        let shown = format!("{:?}", RedisConfig::new("redis://user:secret@localhost").unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }
}
