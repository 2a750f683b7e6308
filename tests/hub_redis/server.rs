//! Redis servers, each for one test.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis::Value;
use redis::aio::MultiplexedConnection;
use tokio::time::{Instant, sleep};
use websocket_hub_redis::{RedisBackend, RedisConfig, Streams};
use websocket_tests::free_port::free_port;

/// A server on a free port, which is killed when this is dropped.
pub(crate) struct Redis {
    port: u16,
    folder: PathBuf,
    arguments: Vec<String>,
    process: Child,
}

impl Redis {
    /// Starts a server without persistence, or returns `None` if `redis-server` is not installed.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_with(&["--save", "", "--appendonly", "no"]).await
    }

    /// Starts a server that preserves all confirmed writes across restarts.
    pub(crate) async fn start_durable() -> Option<Self> {
        Self::start_with(&["--save", "", "--appendonly", "yes", "--appendfsync", "always"]).await
    }

    pub(crate) async fn start_with(arguments: &[&str]) -> Option<Self> {
        let redis = Self::start_on(free_port(), arguments)?;
        redis.ready().await;
        Some(redis)
    }

    /// Starts a server on a port, or on none if it is 0, without waiting for it.
    pub(crate) fn start_on(port: u16, arguments: &[&str]) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("redis-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let Ok(process) = spawn(port, &folder, &arguments) else {
            println!("skipped: redis-server is not installed (apt-get install redis-server)");
            assert!(std::env::var_os("REQUIRE_SERVERS").is_none(), "redis-server is not installed");
            return None;
        };
        Some(Self { port, folder, arguments, process })
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Returns a configuration with short timeouts, so that tests are fast.
    pub(crate) fn config(&self) -> RedisConfig {
        let config = RedisConfig::new(self.url()).expect("a URL");
        config.prefix("test:").timeout(Duration::from_secs(2)).check_interval(Duration::from_secs(600))
    }

    pub(crate) fn pub_sub(&self) -> RedisBackend {
        RedisBackend::new(self.config()).expect("a backend")
    }

    pub(crate) fn streams(&self) -> RedisBackend {
        self.with_streams(Streams::new(100_000))
    }

    pub(crate) fn with_streams(&self, streams: Streams) -> RedisBackend {
        RedisBackend::new(self.config().streams(streams)).expect("a backend")
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("ended");
    }

    /// Restarts with the stored data.
    pub(crate) async fn restart(&mut self) {
        self.process = spawn(self.port, &self.folder, &self.arguments).expect("redis-server");
        self.ready().await;
    }

    pub(crate) async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).expect("a URL");
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        client.get_multiplexed_async_connection_with_config(&config).await.expect("a connection")
    }

    /// Runs a command, whose words are separated by spaces.
    pub(crate) async fn command(&self, command: &str) -> Value {
        self.words(&command.split(' ').collect::<Vec<_>>()).await
    }

    pub(crate) async fn words(&self, words: &[&str]) -> Value {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let reply = command.query_async(&mut self.connection().await).await;
        reply.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Kills the connections that nodes receive messages with.
    pub(crate) async fn kill_subscribers(&self) {
        self.command("CLIENT KILL TYPE pubsub").await;
    }

    async fn ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let client = redis::Client::open(self.url()).expect("a URL");
        loop {
            // Redis accepts connections before it has loaded its data.
            if let Ok(mut connection) = client.get_multiplexed_async_connection().await
                && redis::cmd("PING").query_async::<()>(&mut connection).await.is_ok()
            {
                return;
            }
            assert!(Instant::now() < deadline, "Redis does not start");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn spawn(port: u16, folder: &PathBuf, arguments: &[String]) -> std::io::Result<Child> {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--enable-debug-command", "local"]);
    command.arg("--dir").arg(folder).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}
