//! A nats-server for one test.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use websocket_hub::backend::Backend;
use websocket_hub::{Hub, HubConfig, Message};
use websocket_hub_nats::Nats;
use websocket_tests::free_port::free_port;

/// A server on a free port, which ends with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    arguments: Vec<String>,
    process: Child,
}

impl Server {
    /// Starts a server, or returns `None` if nats-server is not installed.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_with(free_address(), Vec::new()).await
    }

    pub(crate) async fn start_with(address: SocketAddr, arguments: Vec<String>) -> Option<Self> {
        match spawn(address, &arguments) {
            Ok(process) => {
                let server = Self { address, arguments, process };
                server.accepts().await;
                Some(server)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                println!("skipped: nats-server is not installed (apt-get install nats-server)");
                assert!(std::env::var_os("REQUIRE_SERVERS").is_none(), "nats-server is not installed");
                None
            }
            Err(error) => panic!("nats-server does not start: {error}"),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Returns a backend on this server.
    pub(crate) fn backend(&self) -> Nats {
        Nats::new(self.url()).expect("an address")
    }

    /// Returns a hub that is a node on this server.
    pub(crate) async fn node(&self) -> Hub {
        node(self.backend()).await
    }

    /// Kills the server without notice to its clients.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("ended");
    }

    pub(crate) async fn restart(&mut self) {
        self.process = spawn(self.address, &self.arguments).expect("nats-server");
        self.accepts().await;
    }

    /// Stops the server, and waits for its end.
    pub(crate) async fn pause(&self) {
        self.signal(Signal::STOP);
        let process = WaitId::Pid(Pid::from_child(&self.process));
        let ask = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let is_stopped = || waitid(process.clone(), ask).expect("a running server").is_some();
        let stopped = async {
            while !is_stopped() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(20), stopped).await.expect("the server does not stop");
    }

    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("a running server");
    }

    async fn accepts(&self) {
        let connected = async {
            while TcpStream::connect(self.address).await.is_err() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(20), connected).await.expect("the server does not listen");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Also if it is paused.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns a hub without a frame function.
pub(crate) async fn node(backend: impl Backend) -> Hub {
    let config = HubConfig::new().frame(|publication| Message::clone(publication.message));
    Hub::with_backend(backend, config).await.expect("a node")
}

/// Returns an address that is free when this returns.
pub(crate) fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}

fn spawn(address: SocketAddr, arguments: &[String]) -> std::io::Result<Child> {
    // The conformance suite publishes 1 MiB, which is more than the default allows with an envelope
    // around it.
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/hub_nats/nats.conf");
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut command = Command::new("nats-server");
    command.args(["--config", config, "--addr", &host, "--port", &port]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}
