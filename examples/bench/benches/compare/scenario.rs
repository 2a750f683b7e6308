//! The scenarios.

use serde::{Deserialize, Serialize};
use websocket_bench::server::Mode;

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// A short title, if the scenario is part of the chart.
    pub(crate) chart: Option<&'static str>,
    pub(crate) unit: Unit,
    pub(crate) transport: Transport,
    /// The arguments of the load generator.
    pub(crate) load: &'static str,
    /// The modes of the servers to compare.
    pub(crate) modes: &'static [Mode],
    /// The maximum number of rounds.
    pub(crate) rounds: Option<u32>,
    /// The number of worker threads of the servers. With several, no process is bound to a
    /// processor.
    pub(crate) workers: usize,
    /// The number of connections that are distributed to several processes of the server, if one
    /// may not have as many open files.
    pub(crate) spread: Option<usize>,
    /// Runs only if it is named.
    pub(crate) is_opt_in: bool,
    /// The estimated duration of a measurement beyond its period, in seconds.
    pub(crate) overhead: f64,
}

const DEFAULT: Scenario = Scenario {
    name: "",
    title: "",
    chart: None,
    unit: Unit::Message,
    transport: Transport::Tcp,
    load: "",
    modes: PLAIN,
    rounds: None,
    workers: 1,
    spread: None,
    is_opt_in: false,
    // Starting the processes every few rounds is included.
    overhead: 0.05,
};

impl Scenario {
    /// Returns whether servers do what the baseline does not.
    pub(crate) fn compresses(&self) -> bool {
        self.load.contains("--deflate")
    }
}

/// The unit of a scenario's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Unit {
    /// CPU time per message.
    Message,
    /// CPU time per handshake.
    Handshake,
    /// Bytes per idle connection.
    Bytes,
    /// Bytes per connection that has exchanged messages.
    UsedBytes,
    /// CPU time per MiB.
    Mebibyte,
}

impl Unit {
    pub(crate) fn is_memory(self) -> bool {
        matches!(self, Self::Bytes | Self::UsedBytes)
    }
}

/// The layers below WebSocket connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Tls,
    /// Streams of HTTP/2, without TLS.
    Http2,
}

impl Transport {
    /// Returns the baseline that the servers are compared with.
    pub(crate) const fn floor(self) -> &'static str {
        match self {
            Self::Tcp => "limit-tcp",
            Self::Tls => "limit-tls",
            Self::Http2 => "limit-http2",
        }
    }
}

const PLAIN: &[Mode] = &[Mode::Plain];

const TAKEOVER: &[Mode] = &[Mode::Takeover];

/// The modes for many connections and small messages.
const MANY: &[Mode] = &[Mode::Plain, Mode::Small];

/// The modes for pipelined messages.
const PIPELINED: &[Mode] = &[Mode::Plain, Mode::Batched];

pub(crate) const ALL: &[Scenario] = &[
    Scenario {
        name: "S1",
        title: "ping-pong, 64 B text, 100 connections",
        chart: Some("ping-pong, 64 B"),
        unit: Unit::Message,
        load: "echo --size 64 --connections 100",
        modes: MANY,
        ..DEFAULT
    },
    Scenario {
        name: "S2",
        title: "pipelined, 32 B text, 16 connections with 64 in flight",
        chart: Some("pipelined, 32 B"),
        unit: Unit::Message,
        load: "echo --size 32 --connections 16 --in-flight 64",
        modes: PIPELINED,
        ..DEFAULT
    },
    Scenario {
        name: "S3",
        title: "1 KiB binary, 64 connections with 16 in flight",
        chart: Some("pipelined, 1 KiB"),
        unit: Unit::Message,
        load: "echo --size 1024 --content binary --connections 64 --in-flight 16",
        modes: PIPELINED,
        ..DEFAULT
    },
    Scenario {
        name: "S4",
        title: "16 KiB text with characters of one to four bytes, 32 connections with 4 in flight",
        chart: Some("pipelined, 16 KiB of text"),
        unit: Unit::Message,
        load: "echo --size 16384 --content mixed --connections 32 --in-flight 4",
        modes: PIPELINED,
        ..DEFAULT
    },
    Scenario {
        name: "S5",
        title: "1 MiB binary, 8 connections",
        chart: Some("1 MiB"),
        unit: Unit::Message,
        load: "echo --size 1048576 --content binary --connections 8",
        modes: PLAIN,
        ..DEFAULT
    },
    Scenario {
        name: "S6",
        title: "64 KiB binary in 16 fragments, 16 connections",
        chart: Some("64 KiB in 16 fragments"),
        unit: Unit::Message,
        load: "echo --size 65536 --content binary --fragments 16 --connections 16",
        modes: PLAIN,
        ..DEFAULT
    },
    Scenario {
        name: "S7",
        title: "permessage-deflate without context takeover, 1 KiB of JSON, 32 connections with 4 in flight",
        chart: Some("compressed, 1 KiB of JSON"),
        unit: Unit::Message,
        load: "echo --size 1024 --content json --deflate --connections 32 --in-flight 4",
        modes: &[Mode::Deflate],
        ..DEFAULT
    },
    Scenario {
        name: "S8",
        title: "connect, handshake, close; 64 at a time",
        chart: Some("handshake"),
        unit: Unit::Handshake,
        load: "handshake --connections 64",
        modes: MANY,
        ..DEFAULT
    },
    Scenario {
        name: "S9",
        title: "memory of 5,000 idle connections",
        chart: Some("memory, idle"),
        unit: Unit::Bytes,
        load: "idle --size 64 --connections 5000",
        modes: MANY,
        // The values hardly vary.
        rounds: Some(2),
        overhead: 5.0,
        ..DEFAULT
    },
    Scenario {
        name: "S10",
        title: "ping-pong, 64 B text, 1,000 connections",
        unit: Unit::Message,
        load: "echo --size 64 --connections 1000",
        modes: MANY,
        ..DEFAULT
    },
    Scenario {
        name: "S11",
        title: "broadcast, 1 KiB text to 1,000 connections; a message is one delivered to one of them",
        unit: Unit::Message,
        load: "broadcast --size 1024 --connections 1000",
        modes: &[Mode::Broadcast],
        ..DEFAULT
    },
    Scenario {
        name: "S12",
        title: "broadcast, 128 B text to 1,000 connections; a message is one delivered to one of them",
        unit: Unit::Message,
        load: "broadcast --size 128 --connections 1000",
        modes: &[Mode::Broadcast],
        ..DEFAULT
    },
    Scenario {
        name: "S13",
        title: "broadcast in bursts of 16, 128 B text to 1,000 connections; a message is one delivered to one of them",
        chart: Some("broadcast of 128 B in bursts"),
        unit: Unit::Message,
        load: "broadcast --size 128 --connections 1000 --in-flight 16",
        modes: &[Mode::Broadcast],
        ..DEFAULT
    },
    Scenario {
        name: "S14",
        title: "broadcast, 128 B text to 9,000 connections; a message is one delivered to one of them",
        unit: Unit::Message,
        load: "broadcast --size 128 --connections 9000",
        modes: &[Mode::Broadcast],
        ..DEFAULT
    },
    Scenario {
        name: "S15",
        title: "broadcast in bursts of 10, 128 B text to 9,000 connections; a message is one delivered to one of them",
        unit: Unit::Message,
        load: "broadcast --size 128 --connections 9000 --in-flight 10",
        modes: &[Mode::Broadcast],
        ..DEFAULT
    },
    Scenario {
        name: "S16",
        title: "S13 with 10 further connections that read nothing and are not counted",
        unit: Unit::Message,
        load: "broadcast --size 128 --connections 1000 --in-flight 16 --stalled 10",
        modes: &[Mode::Broadcast],
        ..DEFAULT
    },
    Scenario {
        name: "S17",
        title: "20 B text in 4 fragments, 32 connections with 16 in flight",
        chart: Some("pipelined, 20 B in 4 fragments"),
        unit: Unit::Message,
        load: "echo --size 20 --fragments 4 --connections 32 --in-flight 16",
        modes: PIPELINED,
        ..DEFAULT
    },
    Scenario {
        name: "S18",
        title: "permessage-deflate with context takeover, 1 KiB of JSON, 32 connections with 4 in flight",
        chart: Some("S7 with context takeover"),
        unit: Unit::Message,
        load: "echo --size 1024 --content json --deflate --takeover --connections 32 --in-flight 4",
        modes: TAKEOVER,
        ..DEFAULT
    },
    Scenario {
        name: "S19",
        title: "memory of 1,000 connections that have exchanged 64 KiB of JSON with context takeover",
        chart: Some("memory with context takeover"),
        unit: Unit::UsedBytes,
        load: "idle --size 1024 --content json --deflate --takeover --connections 1000 --in-flight 4 --batches 16",
        modes: TAKEOVER,
        rounds: Some(2),
        overhead: 8.0,
        ..DEFAULT
    },
    Scenario {
        name: "S20",
        title: "two workers: ping-pong, 64 B text, 100 connections",
        unit: Unit::Message,
        load: "echo --size 64 --connections 100",
        workers: 2,
        ..DEFAULT
    },
    Scenario {
        name: "S21",
        title: "two workers: pipelined, 32 B text, 16 connections with 64 in flight",
        unit: Unit::Message,
        load: "echo --size 32 --connections 16 --in-flight 64",
        workers: 2,
        ..DEFAULT
    },
    Scenario {
        name: "S22",
        title: "100,000 idle connections",
        unit: Unit::Bytes,
        load: "idle --size 64 --watch 20",
        modes: MANY,
        rounds: Some(1),
        spread: Some(100_000),
        is_opt_in: true,
        overhead: 40.0,
        ..DEFAULT
    },
    Scenario {
        name: "T1",
        title: "TLS: ping-pong, 64 B text, 100 connections",
        chart: Some("TLS: ping-pong, 64 B"),
        transport: Transport::Tls,
        load: "echo --tls --size 64 --connections 100",
        modes: PLAIN,
        ..DEFAULT
    },
    Scenario {
        name: "T2",
        title: "TLS: 64 B text, 16 connections with 32 in flight",
        chart: Some("TLS: pipelined, 64 B"),
        transport: Transport::Tls,
        load: "echo --tls --size 64 --connections 16 --in-flight 32",
        modes: PIPELINED,
        ..DEFAULT
    },
    Scenario {
        name: "T3",
        title: "TLS: 1 MiB binary, 8 connections",
        chart: Some("TLS: 1 MiB"),
        transport: Transport::Tls,
        load: "echo --tls --size 1048576 --content binary --connections 8",
        modes: PLAIN,
        ..DEFAULT
    },
    Scenario {
        name: "H1",
        title: "HTTP/2: ping-pong, 64 B text, 4 connections with 25 streams",
        chart: Some("HTTP/2: ping-pong, 64 B"),
        transport: Transport::Http2,
        load: "echo --size 64 --connections 4 --streams 25",
        modes: PLAIN,
        ..DEFAULT
    },
    Scenario {
        name: "L1",
        title: "32 MiB binary, 1 connection, and the peak memory of the server",
        unit: Unit::Mebibyte,
        load: "large --size 33554432 --content binary --connections 1",
        modes: &[Mode::Plain, Mode::Stream],
        rounds: Some(10),
        // The process is started for each round.
        overhead: 2.0,
        ..DEFAULT
    },
];
