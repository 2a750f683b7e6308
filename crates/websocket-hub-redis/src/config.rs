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
/// | `root_certificates`, with the feature `tls` | those of the operating system |
/// | `client_certificate`, with the feature `tls` | none |
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
    #[cfg(feature = "tls")]
    pub(crate) certificates: redis::TlsCertificates,
}

impl RedisConfig {
    /// Creates a configuration for a server. The URL is, for example,
    /// `redis://user:password@host:6379/0` or `redis+unix:///path`, or any other that the crate
    /// `redis` accepts. `rediss:` requires the feature `tls`. Redis 6 or later is required, as the
    /// protocol is RESP3.
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
            #[cfg(feature = "tls")]
            certificates: redis::TlsCertificates { client_tls: None, root_cert: None },
        })
    }

    /// Stores the messages of each topic in a stream, so that members can resume, and no message is
    /// lost with a connection to Redis. All nodes must have the same setting. Default: pub/sub
    /// without storage.
    pub fn streams(mut self, streams: Streams) -> Self {
        self.streams = Some(streams);
        self
    }

    /// Sets the prefix of the names of all keys and channels. Default: `websocket-hub:`. Hubs with
    /// the same prefix are nodes of one another, even with different databases: Redis does not
    /// separate channels by database.
    pub fn prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Sets the timeout for connecting and for each reply. Default: 5 s. When it expires, the
    /// operation fails and the connection is replaced.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the interval of checks of the receiving connection and, with [streams](Self::streams),
    /// of checks whether the last messages of a topic were lost. Default: 20 s. Each interval is
    /// randomly reduced by up to a quarter, so that nodes do not check at the same time.
    pub fn check_interval(mut self, interval: Duration) -> Self {
        self.check_interval = interval;
        self
    }

    /// Sets the maximum number of messages from Redis, and of their bytes, that wait for delivery.
    /// Default: 16,384 messages and 64 MiB. Above it, the connection is treated as lost: with
    /// [streams](Self::streams), the rest is read from them, otherwise all members receive a
    /// [`Gap`](websocket_hub::Notice::Gap).
    pub fn inbox(mut self, messages: usize, bytes: usize) -> Self {
        (self.inbox_messages, self.inbox_bytes) = (messages, bytes);
        self
    }

    /// Sets the certificate authorities that are trusted, in PEM, and no others. Default: those of
    /// the operating system, whatever features of the crate `redis` are enabled. Requires a
    /// `rediss:` URL.
    ///
    /// ```no_run
    /// use std::fs;
    ///
    /// use websocket_hub_redis::{RedisBackend, RedisConfig};
    ///
    /// # fn backend() -> Result<RedisBackend, Box<dyn std::error::Error>> {
    /// let config = RedisConfig::new("rediss://redis.internal:6379/")?
    ///     .root_certificates(fs::read("authority.pem")?)
    ///     .client_certificate(fs::read("node.pem")?, fs::read("node.key")?);
    /// let backend = RedisBackend::new(config)?;
    /// # Ok(backend)
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates.root_cert = Some(pem.into());
        self
    }

    /// Sets the certificate that authenticates this node, followed by its intermediate ones, and
    /// its private key, each in PEM. Default: none, which Redis refuses unless `tls-auth-clients no`
    /// or `optional` is set. Requires a `rediss:` URL.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn client_certificate(mut self, pem: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        let (client_cert, client_key) = (pem.into(), key.into());
        self.certificates.client_tls = Some(redis::ClientTlsConfig { client_cert, client_key });
        self
    }

    #[cfg(feature = "tls")]
    pub(crate) fn uses_tls(&self) -> bool {
        let is_set = self.certificates.root_cert.is_some() || self.certificates.client_tls.is_some();
        is_set || matches!(self.info.addr(), redis::ConnectionAddr::TcpTls { .. })
    }
}

/// The messages of each topic that Redis stores in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Streams {
    pub(crate) messages: usize,
    pub(crate) age: Duration,
    pub(crate) memory: Duration,
    pub(crate) is_durable: bool,
}

impl Streams {
    /// Creates settings that store at least this number of recent messages per topic. Redis trims
    /// streams in units of about 100 messages.
    pub fn new(messages: usize) -> Self {
        Self { messages, age: Duration::from_secs(600), memory: Duration::from_secs(24 * 3600), is_durable: false }
    }

    /// Sets how long the messages of a topic are stored after its last message. Default: 10
    /// minutes.
    pub fn age(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// Sets how long the position of a topic is stored after its last message or its last use by a
    /// member. Default: 1 day. Minimum: [`age`](Self::age). After that, the topic starts a new
    /// epoch, so that resuming from an earlier position reports
    /// [`Lost`](websocket_hub::Recovery::Lost).
    pub fn memory(mut self, memory: Duration) -> Self {
        self.memory = memory;
        self
    }

    /// Sets whether Redis preserves all confirmed writes across restarts and failovers, as with
    /// `appendonly yes` and `appendfsync always`. Default: `false`: topics start a new epoch when
    /// another Redis process responds, since an older state would assign the same offsets to other
    /// messages.
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
