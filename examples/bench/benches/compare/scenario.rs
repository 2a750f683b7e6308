//! The scenarios.

use websocket_bench::server::Mode;

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) unit: Unit,
    /// The arguments of the load generator.
    pub(crate) load: &'static str,
    /// The modes of the servers to compare.
    pub(crate) modes: &'static [Mode],
    /// The maximum number of rounds.
    pub(crate) rounds: Option<u32>,
}

/// The unit of a scenario's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// CPU time per message.
    Message,
    /// CPU time per handshake.
    Handshake,
    /// Bytes per connection.
    Bytes,
}

const PLAIN: &[Mode] = &[Mode::Plain];

/// The modes for many connections and small messages.
const MANY: &[Mode] = &[Mode::Plain, Mode::Small];

/// The modes for pipelined messages.
const PIPELINED: &[Mode] = &[Mode::Plain, Mode::Batched];

pub(crate) const ALL: [Scenario; 16] = [
    Scenario {
        name: "S1",
        title: "ping-pong, 64 B text, 100 connections",
        unit: Unit::Message,
        load: "echo --size 64 --connections 100",
        modes: MANY,
        rounds: None,
    },
    Scenario {
        name: "S2",
        title: "pipelined, 32 B text, 16 connections with 64 in flight",
        unit: Unit::Message,
        load: "echo --size 32 --connections 16 --in-flight 64",
        modes: PIPELINED,
        rounds: None,
    },
    Scenario {
        name: "S3",
        title: "1 KiB binary, 64 connections with 16 in flight",
        unit: Unit::Message,
        load: "echo --size 1024 --content binary --connections 64 --in-flight 16",
        modes: PIPELINED,
        rounds: None,
    },
    Scenario {
        name: "S4",
        title: "16 KiB text with characters of one to four bytes, 32 connections with 4 in flight",
        unit: Unit::Message,
        load: "echo --size 16384 --content mixed --connections 32 --in-flight 4",
        modes: PIPELINED,
        rounds: None,
    },
    Scenario {
        name: "S5",
        title: "1 MiB binary, 8 connections",
        unit: Unit::Message,
        load: "echo --size 1048576 --content binary --connections 8",
        modes: PLAIN,
        rounds: None,
    },
    Scenario {
        name: "S6",
        title: "64 KiB binary in 16 fragments, 16 connections",
        unit: Unit::Message,
        load: "echo --size 65536 --content binary --fragments 16 --connections 16",
        modes: PLAIN,
        rounds: None,
    },
    Scenario {
        name: "S7",
        title: "permessage-deflate without context takeover, 1 KiB of JSON, 32 connections with 4 in flight",
        unit: Unit::Message,
        load: "echo --size 1024 --content json --deflate --connections 32 --in-flight 4",
        modes: &[Mode::Deflate],
        rounds: None,
    },
    Scenario {
        name: "S8",
        title: "connect, handshake, close; 64 at a time",
        unit: Unit::Handshake,
        load: "handshake --connections 64",
        modes: MANY,
        rounds: None,
    },
    Scenario {
        name: "S9",
        title: "memory of 5,000 idle connections",
        unit: Unit::Bytes,
        load: "idle --size 64 --connections 5000",
        modes: MANY,
        // The values hardly vary.
        rounds: Some(3),
    },
    Scenario {
        name: "S10",
        title: "ping-pong, 64 B text, 1,000 connections",
        unit: Unit::Message,
        load: "echo --size 64 --connections 1000",
        modes: MANY,
        rounds: None,
    },
    Scenario {
        name: "S11",
        title: "broadcast, 1 KiB text to 1,000 connections; a message is one delivered to one of them",
        unit: Unit::Message,
        load: "broadcast --size 1024 --connections 1000",
        modes: &[Mode::Broadcast],
        rounds: None,
    },
    Scenario {
        name: "S12",
        title: "broadcast, 128 B text to 1,000 connections; a message is one delivered to one of them",
        unit: Unit::Message,
        load: "broadcast --size 128 --connections 1000",
        modes: &[Mode::Broadcast],
        rounds: None,
    },
    Scenario {
        name: "S13",
        title: "broadcast in bursts of 16, 128 B text to 1,000 connections; a message is one delivered to one of them",
        unit: Unit::Message,
        load: "broadcast --size 128 --connections 1000 --in-flight 16",
        modes: &[Mode::Broadcast],
        rounds: None,
    },
    Scenario {
        name: "S14",
        title: "broadcast, 128 B text to 9,000 connections; a message is one delivered to one of them",
        unit: Unit::Message,
        load: "broadcast --size 128 --connections 9000",
        modes: &[Mode::Broadcast],
        rounds: None,
    },
    Scenario {
        name: "S15",
        title: "broadcast in bursts of 10, 128 B text to 9,000 connections; a message is one delivered to one of them",
        unit: Unit::Message,
        load: "broadcast --size 128 --connections 9000 --in-flight 10",
        modes: &[Mode::Broadcast],
        rounds: None,
    },
    Scenario {
        name: "S16",
        title: "S13 with 10 further connections that read nothing and are not counted",
        unit: Unit::Message,
        load: "broadcast --size 128 --connections 1000 --in-flight 16 --stalled 10",
        modes: &[Mode::Broadcast],
        rounds: None,
    },
];
