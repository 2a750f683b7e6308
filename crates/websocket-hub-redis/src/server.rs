//! Connections to the server.

use std::sync::Arc;

use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, RedisResult};

use crate::config::RedisConfig;
use crate::error::{InvalidUrl, RedisBackendError};

/// The server that connections are made to.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    client: Client,
    config: AsyncConnectionConfig,
}

/// A connection, which all clones share.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) redis: MultiplexedConnection,
    /// The name of the Redis process that it leads to: another one after each restart, so that lost data can be told from kept data.
    pub(crate) process: Arc<str>,
}

impl Server {
    pub(crate) fn new(config: &RedisConfig) -> Result<Self, InvalidUrl> {
        #[cfg(feature = "tls")]
        if tokio_rustls::rustls::crypto::CryptoProvider::get_default().is_none() {
            // Otherwise rustls panics if it was compiled with several. If another one was installed meanwhile, it is used.
            let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        }
        let timeout = Some(config.timeout);
        Ok(Self {
            client: Client::open(config.info.clone()).map_err(InvalidUrl)?,
            config: AsyncConnectionConfig::new().set_connection_timeout(timeout).set_response_timeout(timeout),
        })
    }

    /// Makes a connection for commands.
    pub(crate) async fn connect(&self) -> Result<Connection, RedisBackendError> {
        self.connect_with(&self.config).await
    }

    /// Makes a connection that hands what Redis pushes to a callback.
    pub(crate) async fn connect_with_pushes(&self, to: impl AsyncPushSender) -> Result<Connection, RedisBackendError> {
        self.connect_with(&self.config.clone().set_push_sender(to)).await
    }

    async fn connect_with(&self, config: &AsyncConnectionConfig) -> Result<Connection, RedisBackendError> {
        let connect = async {
            let mut redis = self.client.get_multiplexed_async_connection_with_config(config).await?;
            let info: String = redis::cmd("INFO").arg("server").query_async(&mut redis).await?;
            RedisResult::Ok((redis, info))
        };
        let (redis, info) = connect.await.map_err(RedisBackendError::Connect)?;
        let process = info.lines().find_map(|line| line.strip_prefix("run_id:"));
        Ok(Connection { redis, process: process.ok_or(RedisBackendError::UnexpectedReply)?.into() })
    }
}

impl Connection {
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.process, &other.process)
    }
}
