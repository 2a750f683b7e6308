//! Publishing rate and latency of the hub on two nodes over Redis, beside those of Redis alone, as
//! a table in Markdown. Starts `redis-server`, and itself in two processes for each line.

mod publish;
mod receive;

use std::error::Error;
use std::fmt;
use std::io::{self, BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand, ValueEnum};
use websocket_bench::process::settle;
use websocket_hub_redis::{InvalidUrl, RedisConfig, Streams};

/// The topic, and the channel without a hub.
const TOPIC: &str = "measured";

/// The number of messages that a stream stores.
const STORED: usize = 1000;

/// The text that follows the messages.
const END: &str = "end";

/// Measures the hub over Redis, and Redis alone.
#[derive(Debug, Parser)]
#[command(name = "hub-redis")]
struct Options {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    load: Load,
}

/// The messages to publish.
#[derive(Debug, Clone, clap::Args)]
struct Load {
    /// The messages per second of the measurement at a fixed rate.
    #[arg(long, default_value_t = 1000)]
    rate: u32,
    /// The number of messages that are published concurrently at full speed.
    #[arg(long, default_value_t = 64)]
    publishers: usize,
    /// The duration of each measurement in seconds.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// The size of a message in bytes.
    #[arg(long, default_value_t = 128)]
    size: usize,
}

/// The role of a process that this program starts.
#[derive(Debug, Subcommand)]
enum Role {
    /// Publishes.
    Publish(Part),
    /// Receives, and prints the result.
    Receive(Part),
}

#[derive(Debug, clap::Args)]
struct Part {
    /// The port of Redis.
    #[arg(long)]
    port: u16,
    #[arg(long, value_enum)]
    way: Way,
    /// Publish as fast as possible.
    #[arg(long)]
    full_speed: bool,
    #[command(flatten)]
    load: Load,
}

/// The way of the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    RedisPublish,
    HubPubSub,
    RedisScript,
    HubStreams,
}

impl Way {
    fn title(self) -> &'static str {
        match self {
            Self::RedisPublish => "Redis alone, `PUBLISH`",
            Self::HubPubSub => "the hub, pub/sub",
            Self::RedisScript => "Redis alone, a script with `XADD` and `PUBLISH`",
            Self::HubStreams => "the hub, streams",
        }
    }
}

impl Part {
    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Returns the configuration of a node.
    fn config(&self) -> Result<RedisConfig, InvalidUrl> {
        let config = RedisConfig::new(self.url())?;
        Ok(if self.way == Way::HubStreams { config.streams(Streams::new(STORED)) } else { config })
    }
}

/// The result of a measurement, printed by one process and read by another.
struct Measured {
    messages: usize,
    per_second: f64,
    median: Duration,
    percentile_99: Duration,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = |time: Duration| time.as_micros();
        write!(f, "{} {:.0} {} {}", self.messages, self.per_second, micros(self.median), micros(self.percentile_99))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    match options.role {
        None => compare(&options.load),
        Some(role) => {
            // Ends with the process that has started it.
            settle(None)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            match role {
                Role::Publish(part) => runtime.block_on(publish::run(&part)),
                Role::Receive(part) => runtime.block_on(receive::run(&part)),
            }
        }
    }
}

/// Returns the nanoseconds that all processes of the machine agree on.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64)
}

/// Prints the table.
fn compare(load: &Load) -> Result<(), Box<dyn Error>> {
    let Load { rate, publishers, size, .. } = load;
    println!("Messages of {size} bytes; latency from before publishing until received, in µs.\n");
    println!(
        "| | {rate}/s: median | 99 % | {publishers} publishers: messages/s | median | 99 % | \
         received of published |\n|---|---:|---:|---:|---:|---:|---:|"
    );
    for &way in Way::value_variants() {
        let steady = measure(load, way, false)?;
        let full = measure(load, way, true)?;
        let cells = [&steady[2], &steady[3], &full[1], &full[2], &full[3]].map(String::as_str).join(" | ");
        let received = if steady[0] == steady[4] && full[0] == full[4] {
            "all".to_owned()
        } else {
            format!("{} of {}, {} of {}", steady[0], steady[4], full[0], full[4])
        };
        println!("| {} | {cells} | {received} |", way.title());
    }
    Ok(())
}

/// Runs one measurement. Returns the numbers of the receiver, followed by the number of messages
/// that were published.
fn measure(load: &Load, way: Way, full_speed: bool) -> Result<Vec<String>, Box<dyn Error>> {
    // A new server each time, so that nothing is left of the last measurement.
    let redis = Redis::start()?;
    let start = |role: &str| {
        let mut command = Command::new(std::env::current_exe()?);
        let way = way.to_possible_value().ok_or_else(|| io::Error::other("no name"))?;
        command.args([role, "--port", &redis.port.to_string(), "--way", way.get_name()]);
        command.args(["--rate", &load.rate.to_string(), "--publishers", &load.publishers.to_string()]);
        command.args(["--seconds", &load.seconds.to_string(), "--size", &load.size.to_string()]);
        command.args(full_speed.then_some("--full-speed")).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()
    };
    let mut receiver = Process(start("receive")?);
    let mut received = receiver.lines()?;
    // Subscribed.
    received.next().ok_or("the receiver has ended")??;
    let mut publisher = Process(start("publish")?);
    let published = publisher.lines()?.next().ok_or("the publisher has ended")??;
    let line = received.next().ok_or("the receiver has ended")??;
    Ok(line.split(' ').map(str::to_owned).chain([published]).collect())
}

/// A process that is killed when this is dropped.
struct Process(Child);

impl Process {
    fn lines(&mut self) -> io::Result<impl Iterator<Item = io::Result<String>>> {
        let output = self.0.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
        Ok(BufReader::new(output).lines())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server without persistence.
struct Redis {
    port: u16,
    _process: Process,
}

impl Redis {
    fn start() -> Result<Self, Box<dyn Error>> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let process = process.map_err(|error| format!("redis-server does not start: {error}"))?;
        let redis = Self { port, _process: Process(process) };
        for _ in 0..1000 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(redis);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err("redis-server does not listen".into())
    }
}
