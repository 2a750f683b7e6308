//! The process that publishes.

use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, Script};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, MissedTickBehavior, interval};
use websocket_hub::{Hub, HubConfig};
use websocket_hub_redis::RedisBackend;

use crate::{END, Load, Part, STORED, TOPIC, Way, now};

/// Appends to a stream and publishes, without positions and epochs.
const SCRIPT: &str = "redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'p', ARGV[3]) \
    return redis.call('PUBLISH', ARGV[2], ARGV[3])";

enum Publisher {
    Hub(Hub),
    Publish(MultiplexedConnection),
    Script(MultiplexedConnection, Script),
}

impl Publisher {
    async fn new(part: &Part) -> Result<Self, Box<dyn Error>> {
        if matches!(part.way, Way::HubPubSub | Way::HubStreams) {
            let backend = RedisBackend::new(part.config()?)?;
            return Ok(Self::Hub(Hub::with_backend(backend, HubConfig::new()).await?));
        }
        let connection = Client::open(part.url())?.get_multiplexed_async_connection().await?;
        Ok(match part.way {
            Way::RedisScript => Self::Script(connection, Script::new(SCRIPT)),
            _ => Self::Publish(connection),
        })
    }

    /// Publishes a message, and waits until it is confirmed.
    async fn publish(&self, text: String) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Hub(hub) => _ = hub.publish(TOPIC, text).await?,
            Self::Publish(connection) => {
                redis::cmd("PUBLISH").arg(TOPIC).arg(text).query_async::<()>(&mut connection.clone()).await?;
            }
            Self::Script(connection, script) => {
                let mut call = script.key("stream");
                call.arg(STORED).arg(TOPIC).arg(text);
                call.invoke_async::<()>(&mut connection.clone()).await?;
            }
        }
        Ok(())
    }
}

/// Publishes, prints the number of messages, and publishes the end.
pub(crate) async fn run(part: &Part) -> Result<(), Box<dyn Error>> {
    let publisher = Rc::new(Publisher::new(part).await?);
    let tasks = LocalSet::new();
    let published = tasks.run_until(async {
        if part.full_speed { full_speed(&publisher, &part.load).await } else { steady(&publisher, &part.load).await }
    });
    println!("{}", published.await?);
    publisher.publish(END.to_owned()).await
}

/// Publishes at a fixed rate, whether or not earlier messages are confirmed.
async fn steady(publisher: &Rc<Publisher>, load: &Load) -> Result<usize, Box<dyn Error>> {
    let messages = usize::try_from(u64::from(load.rate) * load.seconds)?;
    let mut ticks = interval(Duration::from_secs(1) / load.rate.max(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut tasks = JoinSet::new();
    for _ in 0..messages {
        ticks.tick().await;
        let (publisher, size) = (publisher.clone(), load.size);
        tasks.spawn_local(async move { publisher.publish(message(size)).await.map_err(|error| error.to_string()) });
        while let Some(published) = tasks.try_join_next() {
            published??;
        }
    }
    while let Some(published) = tasks.join_next().await {
        published??;
    }
    Ok(messages)
}

/// Publishes from several tasks, each of which waits for its confirmation.
async fn full_speed(publisher: &Rc<Publisher>, load: &Load) -> Result<usize, Box<dyn Error>> {
    let end = Instant::now() + Duration::from_secs(load.seconds);
    let mut tasks = JoinSet::new();
    for _ in 0..load.publishers {
        let (publisher, size) = (publisher.clone(), load.size);
        tasks.spawn_local(async move {
            let mut published = 0;
            while Instant::now() < end {
                publisher.publish(message(size)).await.map_err(|error| error.to_string())?;
                published += 1;
            }
            Ok::<_, String>(published)
        });
    }
    let mut messages = 0;
    while let Some(published) = tasks.join_next().await {
        messages += published??;
    }
    Ok(messages)
}

/// Returns a message with the current time, padded to a size.
fn message(size: usize) -> String {
    format!("{:<size$}", now())
}
