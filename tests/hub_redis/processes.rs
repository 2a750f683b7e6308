//! Nodes in separate processes behind HAProxy, one of which is killed.

use std::process::Stdio;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep};
use tower_websocket::server::Acceptance;
use tower_websocket::{Config, accept, connect};
use websocket_hub::{Hub, HubConfig, Message, Notice, Position, Recovery, Subscribe};
use websocket_hub_redis::{RedisBackend, RedisConfig, Streams};
use websocket_tests::free_port::free_port;

use crate::nodes::publish;
use crate::server::Redis;

const TOPICS: usize = 20;

/// 500 for each node.
const SOCKETS: usize = 1000;

/// The variable with the URL of Redis for a node's process.
const NODE: &str = "HUB_REDIS_NODE";

/// The number of messages that are published. `HUB_MESSAGES=100000` in a release build takes as
/// long as 10,000 do without.
fn messages() -> u64 {
    std::env::var("HUB_MESSAGES").map_or(10_000, |messages| messages.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_of_a_killed_node_return_to_another_and_miss_nothing() {
    let Some(redis) = Redis::start().await else { return };
    let (mut first, mut second) = (Node::start(&redis).await, Node::start(&redis).await);
    let Some(balancer) = Balancer::start(&[first.port, second.port]).await else { return };
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("as many files as are allowed");

    let clients: Vec<_> = (0..SOCKETS).map(|number| Arc::new(Client::new(format!("t{}", number % TOPICS)))).collect();
    let url = Arc::new(format!("ws://127.0.0.1:{}", balancer.port));
    for client in &clients {
        tokio::spawn(client.clone().follow(url.clone()));
    }
    wait("all sockets are open", || clients.iter().all(|client| client.connections.load(Ordering::SeqCst) == 1)).await;

    // Both nodes publish. The first is killed meanwhile.
    let all = messages();
    first.publish(all / 2).await;
    second.publish(all / 2).await;
    let mut published = 0;
    while published < all / 4 {
        redis.kill_subscribers().await;
        sleep(Duration::from_millis(300)).await;
        published = reached(&redis).await.iter().sum();
    }
    first.kill().await;
    second.published().await;
    let left = all.saturating_sub(reached(&redis).await.iter().sum());
    redis.kill_subscribers().await;
    second.publish(left).await;
    second.published().await;

    let ends = reached(&redis).await;
    assert!(ends.iter().sum::<u64>() >= all, "{ends:?}");
    let is_complete = |number: usize| clients[number].last.load(Ordering::SeqCst) == ends[number % TOPICS];
    wait("all members have everything", || (0..SOCKETS).all(is_complete)).await;
    let moved = clients.iter().filter(|client| client.connections.load(Ordering::SeqCst) > 1).count();
    let faults: Vec<_> = clients.iter().filter_map(|client| client.fault.get()).collect();
    assert!(faults.is_empty(), "{faults:?}");
    assert!(moved >= SOCKETS / 3, "only {moved} have changed their node");
    println!("{} messages, {moved} of {SOCKETS} sockets have returned", ends.iter().sum::<u64>());
}

/// Returns the current offsets of the topics.
async fn reached(redis: &Redis) -> Vec<u64> {
    let mut ask = redis::pipe();
    for topic in 0..TOPICS {
        ask.cmd("HGET").arg(format!("test:m:t{topic}")).arg("offset");
    }
    ask.query_async(&mut redis.connection().await).await.expect("offsets")
}

async fn wait(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// A client that reconnects with its position.
struct Client {
    topic: String,
    /// The offset of the last message.
    last: AtomicU64,
    connections: AtomicUsize,
    fault: OnceLock<String>,
}

impl Client {
    fn new(topic: String) -> Self {
        Self { topic, last: AtomicU64::new(0), connections: AtomicUsize::new(0), fault: OnceLock::new() }
    }

    async fn follow(self: Arc<Self>, url: Arc<String>) {
        let mut last: Option<Position> = None;
        loop {
            let since = last.map(|last| last.to_string()).unwrap_or_default();
            let Ok((mut socket, _)) = connect(format!("{url}/{}?{since}", self.topic)).await else {
                sleep(Duration::from_millis(100)).await;
                continue;
            };
            while let Some(Ok(message)) = socket.recv().await {
                let text = message.as_text().expect("text");
                match (text.split_once(' ').expect("two words"), last) {
                    (("at", position), None) => {
                        last = Some(position.parse().expect("a position"));
                        self.connections.fetch_add(1, Ordering::SeqCst);
                    }
                    (("at", _), Some(_)) => _ = self.connections.fetch_add(1, Ordering::SeqCst),
                    (("fault", fault), _) => _ = self.fault.set(fault.to_owned()),
                    ((position, _), Some(before)) => {
                        let position: Position = position.parse().expect("a position");
                        if position != Position::new(before.epoch(), before.offset() + 1) {
                            let _ = self.fault.set(format!("{}: {position} after {before}", self.topic));
                        }
                        last = Some(position);
                        self.last.store(position.offset(), Ordering::SeqCst);
                    }
                    (_, None) => _ = self.fault.set(format!("{text} before the position")),
                }
            }
            // Spread out the reconnecting clients.
            sleep(Duration::from_millis(rand::random_range(10..200))).await;
        }
    }
}

/// HAProxy, which distributes connections by round-robin, and skips nodes that are down.
struct Balancer {
    port: u16,
    _process: Child,
}

impl Balancer {
    async fn start(nodes: &[u16]) -> Option<Self> {
        let port = free_port();
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("haproxy-{port}.cfg"));
        let servers: String = (nodes.iter().enumerate())
            .map(|(number, node)| format!("  server node{number} 127.0.0.1:{node} check inter 200ms\n"))
            .collect();
        let config = format!(
            "global\n  maxconn 4000\ndefaults\n  mode tcp\n  balance roundrobin\n  option redispatch\n  retries 3\n  \
             timeout connect 2s\n  timeout client 60s\n  timeout server 60s\nlisten nodes\n  bind 127.0.0.1:{port}\n{servers}",
        );
        std::fs::write(&path, config).expect("a file");
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(process) = command.kill_on_drop(true).spawn() else {
            println!("skipped: haproxy is not installed (apt-get install haproxy)");
            assert!(std::env::var_os("REQUIRE_SERVERS").is_none(), "haproxy is not installed");
            return None;
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(Instant::now() < deadline, "HAProxy does not start");
            sleep(Duration::from_millis(20)).await;
        }
        let _ = std::fs::remove_file(&path);
        Some(Self { port, _process: process })
    }
}

/// A node's process, as this test sees it.
struct Node {
    port: u16,
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Node {
    async fn start(redis: &Redis) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "processes::node", "--ignored", "--nocapture"]).env(NODE, redis.url());
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().expect("a process");
        let input = process.stdin.take().expect("its input");
        let output = BufReader::new(process.stdout.take().expect("its output")).lines();
        let mut node = Self { port: 0, process, input, output };
        node.port = node.said("listening ").await.parse().expect("a port");
        node
    }

    async fn publish(&mut self, messages: u64) {
        self.input.write_all(format!("{messages}\n").as_bytes()).await.expect("written");
    }

    async fn published(&mut self) {
        self.said("published").await;
    }

    async fn said(&mut self, what: &str) -> String {
        loop {
            let line = self.output.next_line().await.expect("text").expect("the node runs");
            // After the output of the test harness, which may be on the same line.
            if let Some((_, rest)) = line.split_once(what) {
                return rest.to_owned();
            }
        }
    }

    /// kill -9.
    async fn kill(&mut self) {
        self.process.kill().await.expect("killed");
    }
}

/// The process of a node: serves sockets, and publishes the number of messages that each line of
/// its input contains, until the input ends.
#[test]
#[ignore = "started by another test"]
fn node() {
    let Ok(url) = std::env::var(NODE) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let config = RedisConfig::new(url).unwrap().prefix("test:").streams(Streams::new(1_000_000));
        let frame = HubConfig::new().frame(|publication| {
            let text = publication.message.as_text().unwrap_or_default();
            Message::text(format!("{} {text}", publication.position))
        });
        let hub = Hub::with_backend(RedisBackend::new(config).unwrap(), frame).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("listening {}", listener.local_addr().unwrap().port());
        tokio::spawn(serve(listener, hub.clone()));
        let mut input = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(messages)) = input.next_line().await {
            let messages: u64 = messages.parse().expect("a number");
            let publishers = (0..TOPICS as u64).map(|topic| {
                let hub = hub.clone();
                tokio::spawn(async move {
                    for number in (topic..messages).step_by(TOPICS) {
                        publish(&hub, &format!("t{topic}"), number).await;
                    }
                })
            });
            for publisher in publishers.collect::<Vec<_>>() {
                publisher.await.unwrap();
            }
            println!("published");
        }
    });
}

async fn serve(listener: TcpListener, hub: Hub) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve_socket(stream, hub.clone()));
    }
}

async fn serve_socket(stream: TcpStream, hub: Hub) {
    let target = Arc::new(OnceLock::new());
    let accepting = {
        let target = target.clone();
        accept(stream, Config::server()).on_request(async move |request: http::Request<()>| {
            let _ = target.set(request.uri().clone());
            Ok(Acceptance::new())
        })
    };
    // HAProxy's health checks send no request.
    let Ok(mut socket) = accepting.await else { return };
    let Some(target) = target.get() else { return };
    let topic = target.path().trim_start_matches('/');
    let since = target.query().filter(|since| !since.is_empty()).map(|since| since.parse().expect("a position"));
    let mut member = hub.join(socket.sender());
    let Ok(subscribed) = member.subscribe(topic, Subscribe::new().since(since)).await else { return };
    if subscribed.recovery == Recovery::Lost {
        let _ = socket.send("fault lost").await;
    }
    if socket.send(format!("at {}", subscribed.position)).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            message = socket.recv() => if !matches!(message, Some(Ok(_))) { return },
            notice = member.notice() => if let Notice::Gap { topic } = notice {
                let _ = socket.send(format!("fault gap in {topic}")).await;
            },
        }
    }
}
