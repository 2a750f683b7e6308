//! The engine that several nodes share, if any. Further engines would be further options here.

use std::error::Error;
use std::time::Duration;

use clap::Args;
use websocket_hub::{HistoryLimit, Hub, HubConfig, HubObserver};
use websocket_hub_nats::Nats;
use websocket_hub_redis::{RedisBackend, RedisConfig, Streams};

/// The options of the engine. Without one, rooms are local to this process.
#[derive(Debug, Args)]
pub(super) struct Engine {
    /// Shares the rooms with other nodes through a Redis server, for example redis://127.0.0.1/.
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Shares the rooms with other nodes through a NATS server, for example nats://127.0.0.1:4222.
    /// Clients cannot resume with it.
    #[arg(long, value_name = "URL", conflicts_with = "redis")]
    nats: Option<String>,
}

/// The number of messages stored per topic, for how long, and for how many topics.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    pub(super) messages: usize,
    pub(super) age: Duration,
    pub(super) topics: usize,
}

impl Engine {
    pub(super) fn is_shared(&self) -> bool {
        self.redis.is_some() || self.nats.is_some()
    }

    /// Creates a hub. Nodes with the same hub name share it.
    pub(super) async fn hub(&self, name: &str, kept: Kept, config: HubConfig) -> Result<Hub, Box<dyn Error>> {
        let log = || Log(name.to_owned());
        if let Some(url) = &self.nats {
            let nats = Nats::new(url.as_str())?.prefix(format!("chat.{name}"));
            return Ok(Hub::with_backend(nats, config.observer(log())).await?);
        }
        let Some(url) = &self.redis else {
            let history = HistoryLimit::new(kept.messages).age(kept.age).topics(kept.topics);
            return Ok(Hub::new(config.history(history)));
        };
        let redis = RedisConfig::new(url.as_str())?
            .prefix(&format!("chat:{name}:"))
            .streams(Streams::new(kept.messages).age(kept.age));
        Ok(Hub::with_backend(RedisBackend::new(redis)?, config.observer(log())).await?)
    }
}

/// Writes events to stderr that an operator should know about.
struct Log(String);

impl HubObserver for Log {
    fn gap(&self, topic: &str) {
        eprintln!("{}: messages of {topic} may have been lost", self.0);
    }

    fn backend_lost(&self) {
        eprintln!("{}: the connection to the engine was lost", self.0);
    }

    fn backend_resynchronised(&self) {
        eprintln!("{}: the connection to the engine is back", self.0);
    }
}
