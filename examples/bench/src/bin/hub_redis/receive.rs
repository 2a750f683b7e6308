//! The process that receives.

use std::error::Error;
use std::time::{Duration, Instant};

use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo, ProtocolVersion, PushInfo, PushKind, Value};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tower_websocket::{Config, Message, WebSocket, accept, connect};
use websocket_hub::{Hub, HubConfig, QueueLimit, Subscribe};
use websocket_hub_redis::RedisBackend;

use crate::{END, Measured, Part, TOPIC, Way, now};

/// The times of what was received.
#[derive(Default)]
struct Times {
    latencies: Vec<u64>,
    first: Option<Instant>,
}

impl Times {
    /// Records a message. Returns the result after the last one.
    fn record(&mut self, message: &[u8]) -> Result<Option<Measured>, Box<dyn Error>> {
        let text = std::str::from_utf8(message)?.trim_end();
        let first = *self.first.get_or_insert_with(Instant::now);
        if text != END {
            self.latencies.push(now().saturating_sub(text.parse()?));
            return Ok(None);
        }
        self.latencies.sort_unstable();
        let at = |part: f64| {
            let index = (self.latencies.len() as f64 * part) as usize;
            Duration::from_nanos(self.latencies.get(index).copied().unwrap_or(0))
        };
        let messages = self.latencies.len();
        let per_second = messages as f64 / first.elapsed().as_secs_f64();
        Ok(Some(Measured { messages, per_second, median: at(0.5), percentile_99: at(0.99) }))
    }
}

/// Subscribes, prints an empty line, receives, and prints the result.
pub(crate) async fn run(part: &Part) -> Result<(), Box<dyn Error>> {
    let measured = match part.way {
        Way::HubPubSub | Way::HubStreams => through_hub(part).await?,
        Way::RedisPublish | Way::RedisScript => from_redis(part).await?,
    };
    println!("{measured}");
    Ok(())
}

/// Receives from a socket that is a member of a node.
async fn through_hub(part: &Part) -> Result<Measured, Box<dyn Error>> {
    let hub = Hub::with_backend(RedisBackend::new(part.config()?)?, HubConfig::new()).await?;
    let (mut server, mut client) = pair().await?;
    let member = hub.join(server.sender());
    let options = Subscribe::new().queue(QueueLimit::new(1_000_000, usize::MAX));
    let _ = member.subscribe(TOPIC, options).await?;
    tokio::spawn(async move { while let Some(Ok(_)) = server.recv().await {} });
    println!();
    let mut times = Times::default();
    while let Some(message) = client.recv().await {
        let message: Message = message?;
        if let Some(measured) = times.record(message.as_bytes())? {
            return Ok(measured);
        }
    }
    Err("the socket was closed".into())
}

/// Returns both ends of a WebSocket over loopback.
async fn pair() -> Result<(WebSocket<TcpStream>, WebSocket), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}/", listener.local_addr()?);
    let accepted = async {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok::<_, Box<dyn Error>>(accept(stream, Config::server()).await?)
    };
    let connected = async { Ok::<_, Box<dyn Error>>(connect(&url).await?.0) };
    tokio::try_join!(accepted, connected)
}

/// Receives from Redis.
async fn from_redis(part: &Part) -> Result<Measured, Box<dyn Error>> {
    let info = part.url().into_connection_info()?;
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let (sender, mut pushed) = mpsc::unbounded_channel::<PushInfo>();
    let config = AsyncConnectionConfig::new().set_push_sender(sender);
    let client = Client::open(info.set_redis_settings(settings))?;
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    connection.subscribe(TOPIC).await?;
    println!();
    let mut times = Times::default();
    while let Some(push) = pushed.recv().await {
        if push.kind == PushKind::Message
            && let Some(Value::BulkString(message)) = push.data.get(1)
            && let Some(measured) = times.record(message)?
        {
            return Ok(measured);
        }
    }
    Err("the connection was closed".into())
}
