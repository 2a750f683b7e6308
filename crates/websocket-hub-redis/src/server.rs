//! Connections to the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::aio::{MultiplexedConnection, SendError};
use redis::{AsyncConnectionConfig, Client, PushInfo, PushKind, RedisResult};

use crate::config::RedisConfig;
use crate::error::{InvalidTls, RedisBackendError};
#[cfg(feature = "tls")]
use crate::tls;

/// The server to connect to.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    client: Client,
    config: AsyncConnectionConfig,
}

/// A connection, shared by all clones.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) redis: MultiplexedConnection,
    /// The name of the Redis process that the connection leads to. It changes with each restart, so
    /// that state that may be outdated is detected.
    pub(crate) process: Arc<str>,
    is_closed: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn new(config: &RedisConfig) -> Result<Self, InvalidTls> {
        #[cfg(feature = "tls")]
        let client = match config.uses_tls() {
            true => tls::client(config.info.clone(), &config.certificates),
            false => Client::open(config.info.clone()),
        };
        #[cfg(not(feature = "tls"))]
        let client = Client::open(config.info.clone());
        let timeout = Some(config.timeout);
        Ok(Self {
            client: client.map_err(InvalidTls)?,
            config: AsyncConnectionConfig::new().set_connection_timeout(timeout).set_response_timeout(timeout),
        })
    }

    /// Connects. The callback receives what Redis pushes, and finally a notification that the
    /// connection was closed.
    pub(crate) async fn connect(
        &self,
        pushed: impl Fn(PushInfo) -> Result<(), SendError> + Send + Sync + 'static,
    ) -> Result<Connection, RedisBackendError> {
        let is_closed = Arc::new(AtomicBool::new(false));
        let config = self.config.clone().set_push_sender({
            let is_closed = is_closed.clone();
            move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    is_closed.store(true, Ordering::Release);
                }
                pushed(push)
            }
        });
        let connect = async {
            let mut redis = self.client.get_multiplexed_async_connection_with_config(&config).await?;
            let info: String = redis::cmd("INFO").arg("server").query_async(&mut redis).await?;
            RedisResult::Ok((redis, info))
        };
        let (redis, info) = connect.await.map_err(RedisBackendError::Connect)?;
        let process = info.lines().find_map(|line| line.strip_prefix("run_id:"));
        Ok(Connection { redis, process: process.ok_or(RedisBackendError::UnexpectedReply)?.into(), is_closed })
    }
}

impl Connection {
    /// Returns whether this and another are clones of the same connection.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.is_closed, &other.is_closed)
    }

    /// Returns whether the connection is known to be closed, so that no command needs to be
    /// attempted.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }
}
