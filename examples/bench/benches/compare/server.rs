//! The servers.

use std::process::Command;

use clap::ValueEnum;
use websocket_bench::server::Mode;

use crate::scenario::{Scenario, Transport};

pub(crate) struct Server {
    pub(crate) name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    modes: &'static [Mode],
    transports: &'static [Transport],
    /// The arguments of the load generator beyond those of the scenario.
    pub(crate) load: &'static [&'static str],
    /// The package whose version is printed.
    pub(crate) package: Option<&'static str>,
}

const PLAIN: &[Mode] = &[Mode::Plain];
const BATCHED: &[Mode] = &[Mode::Batched];
const SMALL: &[Mode] = &[Mode::Small];
const BROADCAST: &[Mode] = &[Mode::Broadcast];
const STREAM: &[Mode] = &[Mode::Stream];
const PLAIN_AND_BROADCAST: &[Mode] = &[Mode::Plain, Mode::Broadcast];
const OURS: &[Mode] = &[Mode::Plain, Mode::Deflate, Mode::Takeover, Mode::Broadcast];
const PLAIN_AND_DEFLATE: &[Mode] = &[Mode::Plain, Mode::Deflate, Mode::Takeover];

/// The baselines send back the bytes unchanged.
const RAW: &[&str] = &["--raw"];

const TCP_AND_TLS: &[Transport] = &[Transport::Tcp, Transport::Tls];
const ALL_TRANSPORTS: &[Transport] = &[Transport::Tcp, Transport::Tls, Transport::Http2];

impl Server {
    const fn new(name: &'static str, program: &'static str, modes: &'static [Mode]) -> Self {
        Self { name, program, arguments: &[], modes, transports: &[Transport::Tcp], load: &[], package: None }
    }

    const fn package(self, package: &'static str) -> Self {
        Self { package: Some(package), ..self }
    }

    const fn over(self, transports: &'static [Transport]) -> Self {
        Self { transports, ..self }
    }

    const fn load(self, load: &'static [&'static str]) -> Self {
        Self { load, ..self }
    }

    const fn arguments(self, arguments: &'static [&'static str]) -> Self {
        Self { arguments, ..self }
    }

    /// Returns the mode for a scenario.
    fn mode(&self, scenario: &Scenario) -> Option<Mode> {
        self.modes.iter().copied().find(|mode| scenario.modes.contains(mode))
    }

    pub(crate) fn takes_part(&self, scenario: &Scenario) -> bool {
        self.transports.contains(&scenario.transport) && self.mode(scenario).is_some()
    }

    /// Returns the name without the variant.
    pub(crate) fn library(&self) -> &'static str {
        self.name.split_once(',').map_or(self.name, |(library, _)| library)
    }

    /// Returns the command line that starts it.
    pub(crate) fn command(&self, scenario: &Scenario) -> Vec<String> {
        let mut command = vec![self.program.to_owned()];
        command.extend(self.arguments.iter().map(|&argument| argument.to_owned()));
        if let Some(mode) = self.mode(scenario).and_then(|mode| mode.to_possible_value()) {
            command.extend(["--mode".to_owned(), mode.get_name().to_owned()]);
        }
        if scenario.transport == Transport::Tls {
            command.push("--tls".to_owned());
        }
        command.extend(["--workers".to_owned(), scenario.workers.to_string()]);
        command
    }
}

/// Returns all servers, in the order of the tables.
pub(crate) fn all(has_peers: bool) -> Vec<Server> {
    let [tcp, tls, http2] =
        [env!("CARGO_BIN_EXE_limit-tcp"), env!("CARGO_BIN_EXE_limit-tls"), env!("CARGO_BIN_EXE_limit-http2")];
    let ours = env!("CARGO_BIN_EXE_ours");
    let mut all = vec![
        Server::new(Transport::Tcp.floor(), tcp, OURS).load(RAW),
        Server::new(Transport::Tls.floor(), tls, PLAIN).load(RAW).over(&[Transport::Tls]),
        Server::new(Transport::Http2.floor(), http2, PLAIN).load(RAW).over(&[Transport::Http2]),
        Server::new("ours, axum", ours, OURS).arguments(&["--stack", "axum"]).over(ALL_TRANSPORTS),
        Server::new("ours, tower", ours, OURS).arguments(&["--stack", "tower"]),
        Server::new("ours, tcp", ours, OURS).arguments(&["--stack", "tcp"]).over(TCP_AND_TLS),
        Server::new("ours, tcp, in pieces", ours, STREAM).arguments(&["--stack", "tcp"]),
        Server::new("ours, tcp, for_each", ours, PLAIN).arguments(&["--stack", "tcp", "--for-each"]).over(TCP_AND_TLS),
        Server::new("ours, tcp, hub", ours, BROADCAST).arguments(&["--stack", "tcp", "--hub"]),
        Server::new("ours, tcp, senders", ours, BROADCAST).arguments(&["--stack", "tcp", "--senders"]),
    ];
    if has_peers {
        all.extend(peers());
        all.extend(node());
    }
    all
}

fn peers() -> [Server; 15] {
    let tungstenite = env!("CARGO_BIN_EXE_peer-tokio-tungstenite");
    let fastwebsockets = env!("CARGO_BIN_EXE_peer-fastwebsockets");
    let websockets = env!("CARGO_BIN_EXE_peer-tokio-websockets");
    let axum = env!("CARGO_BIN_EXE_peer-axum");
    let sockudo = env!("CARGO_BIN_EXE_peer-sockudo-ws");
    let socketioxide = env!("CARGO_BIN_EXE_peer-socketioxide");
    let yawc = env!("CARGO_BIN_EXE_peer-yawc");
    [
        Server::new("tokio-tungstenite", tungstenite, PLAIN).package("tokio-tungstenite").over(TCP_AND_TLS),
        Server::new("tokio-tungstenite, batched", tungstenite, BATCHED).over(TCP_AND_TLS),
        Server::new("tokio-tungstenite, 4 KiB buffer", tungstenite, SMALL),
        Server::new("fastwebsockets", fastwebsockets, PLAIN).package("fastwebsockets"),
        Server::new("tokio-websockets", websockets, PLAIN).package("tokio-websockets"),
        Server::new("tokio-websockets, batched", websockets, BATCHED),
        Server::new("axum's own", axum, PLAIN_AND_BROADCAST).package("axum").over(ALL_TRANSPORTS),
        Server::new("axum's own, batched", axum, BATCHED).over(TCP_AND_TLS),
        Server::new("axum's own, 4 KiB buffer", axum, SMALL),
        Server::new("sockudo-ws", sockudo, PLAIN_AND_DEFLATE).package("sockudo-ws"),
        Server::new("sockudo-ws, pub/sub", sockudo, BROADCAST),
        Server::new("sockudo-ws, batched", sockudo, BATCHED),
        Server::new("socketioxide, rooms", socketioxide, BROADCAST).package("socketioxide").load(&["--socketio"]),
        Server::new("yawc", yawc, PLAIN_AND_DEFLATE).package("yawc"),
        Server::new("yawc, batched", yawc, BATCHED),
    ]
}

/// Returns `ws` on Node.js, for large messages only, or nothing if it is not installed.
fn node() -> Option<Server> {
    let program = env!("CARGO_BIN_EXE_peer-node-ws");
    let server = Server::new("ws, Node.js", program, STREAM);
    match Command::new(program).arg("--check").output() {
        Ok(output) if output.status.success() => {
            eprint!("{}: ws {}", server.name, String::from_utf8_lossy(&output.stdout));
            Some(server)
        }
        Ok(output) => {
            eprint!("{} is skipped: {}", server.name, String::from_utf8_lossy(&output.stderr));
            None
        }
        Err(error) => {
            eprintln!("{} is skipped: {error}", server.name);
            None
        }
    }
}
