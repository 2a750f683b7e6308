//! The engine that several nodes share, if there is one. Another kind of engine is another option here.

use std::error::Error;
use std::time::Duration;

use clap::Args;
use websocket_hub::{HistoryLimit, Hub, HubConfig, HubObserver};
use websocket_hub_redis::{RedisBackend, RedisConfig, Streams};

/// The engine. Without one, the rooms are those of this process.
#[derive(Debug, Args)]
pub(super) struct Engine {
    /// Shares the rooms with other nodes through a Redis server, redis://127.0.0.1/ for example.
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
}

/// The messages of each topic that are kept, for how long, and of how many topics.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    pub(super) messages: usize,
    pub(super) age: Duration,
    pub(super) topics: usize,
}

impl Engine {
    pub(super) fn is_shared(&self) -> bool {
        self.redis.is_some()
    }

    /// Makes a hub that is the same on all nodes if it has the same name.
    pub(super) async fn hub(&self, name: &str, kept: Kept, config: HubConfig) -> Result<Hub, Box<dyn Error>> {
        let Some(url) = &self.redis else {
            let history = HistoryLimit::new(kept.messages).age(kept.age).topics(kept.topics);
            return Ok(Hub::new(config.history(history)));
        };
        let redis = RedisConfig::new(url.as_str())?
            .prefix(&format!("chat:{name}:"))
            .streams(Streams::new(kept.messages).age(kept.age));
        Ok(Hub::with_backend(RedisBackend::new(redis)?, config.observer(Log(name.to_owned()))).await?)
    }
}

/// Writes to stderr what an operator should know.
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
