//! A server and its load generator, and the measurement of a turn.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde::{Deserialize, Serialize};
use websocket_bench::measurement::Measurement;
use websocket_bench::process::max_open_files;

use crate::foreign::Foreign;
use crate::options::Options;
use crate::scenario::{Scenario, Unit};
use crate::server::Server;

/// The share of a processor from which other processes disturb a measurement.
const DISTURBED: f64 = 0.10;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) unit: Unit,
    pub(crate) measured: Measurement,
    /// The share of one processor that other processes used.
    foreign: f64,
}

impl Run {
    pub(crate) fn is_disturbed(&self) -> bool {
        // The load of other processes does not change the memory of a server.
        !self.unit.is_memory() && self.foreign >= DISTURBED
    }

    /// Returns the value that is compared: nanoseconds or bytes.
    pub(crate) fn cost(&self) -> f64 {
        match self.unit {
            Unit::Bytes => self.measured.idle_bytes,
            Unit::UsedBytes => self.measured.used_bytes,
            Unit::Message | Unit::Handshake | Unit::Mebibyte => self.measured.cost(),
        }
    }
}

/// A child process that is killed when this is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The files of a process that are not connections, at most.
const OTHER_FILES: usize = 100;

/// A server, and a load generator that is connected to it. Both are idle between their turns. There
/// are several pairs of them if one may not open as many connections as the scenario needs.
pub(crate) struct Session {
    unit: Unit,
    pairs: Vec<Pair>,
}

struct Pair {
    serving: Process,
    load: Process,
    printed: BufReader<ChildStdout>,
}

impl Session {
    pub(crate) fn start(options: &Options, scenario: &Scenario, server: &Server) -> Result<Self, Box<dyn Error>> {
        let (count, connections) = match scenario.spread {
            Some(all) => {
                let count = all.div_ceil(connections_of_a_process());
                (count, Some(all.div_ceil(count)))
            }
            None => (1, None),
        };
        let pairs =
            (0..count).map(|_| Pair::start(options, scenario, server, connections)).collect::<Result<_, _>>()?;
        Ok(Self { unit: scenario.unit, pairs })
    }

    /// Runs one turn.
    pub(crate) fn measure(&mut self) -> Result<Run, Box<dyn Error>> {
        let mut ours = vec![std::process::id()];
        ours.extend(self.pairs.iter().flat_map(|pair| [pair.serving.0.id(), pair.load.0.id()]));
        let before = Foreign::look(&ours);
        for pair in &self.pairs {
            pair.load.0.stdin.as_ref().ok_or("no pipe")?.write_all(b"\n")?;
        }
        let mut measured = Vec::with_capacity(self.pairs.len());
        for pair in &mut self.pairs {
            measured.push(serde_json::from_str(&pair.printed()?)?);
        }
        let measured = Measurement::together(&measured);
        let foreign = before.until(&Foreign::look(&ours));
        if measured.messages == 0 && !self.unit.is_memory() {
            return Err("no message was returned during the measurement".into());
        }
        Ok(Run { unit: self.unit, measured, foreign })
    }
}

/// Returns the number of connections that a process may open.
pub(crate) fn connections_of_a_process() -> usize {
    usize::try_from(max_open_files()).unwrap_or(usize::MAX).saturating_sub(OTHER_FILES).max(1)
}

impl Pair {
    fn start(
        options: &Options,
        scenario: &Scenario,
        server: &Server,
        connections: Option<usize>,
    ) -> Result<Self, Box<dyn Error>> {
        let cores = options.cores().filter(|_| scenario.workers == 1);
        let (server_core, load_core) = cores.unzip();
        let (serving, addr) = start(server.command(scenario), server_core)?;
        let mut load = Command::new(env!("CARGO_BIN_EXE_load"));
        load.args(scenario.load.split(' ')).args(["--turns", "--addr", &addr, "--pid", &serving.0.id().to_string()]);
        load.args(["--seconds", &options.seconds.to_string(), "--warmup", &options.warmup.to_string()]);
        load.args(connections.iter().flat_map(|count| ["--connections".to_owned(), count.to_string()]));
        load.args(load_core.iter().flat_map(|core| ["--core".to_owned(), core.to_string()]));
        load.args(server.load);
        let mut load = Process(load.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?);
        let printed = BufReader::new(load.0.stdout.take().ok_or("no pipe")?);
        let mut pair = Self { serving, load, printed };
        // It is ready.
        pair.printed()?;
        Ok(pair)
    }

    /// Returns the next line that the load generator prints.
    fn printed(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        if self.printed.read_line(&mut line)? == 0 {
            let mut why = String::new();
            self.load.0.stderr.take().ok_or("no pipe")?.read_to_string(&mut why)?;
            return Err(format!("load: {}", why.trim()).into());
        }
        Ok(line)
    }
}

/// Starts a server, and returns its address.
fn start(command: Vec<String>, core: Option<usize>) -> Result<(Process, String), Box<dyn Error>> {
    let (program, arguments) = command.split_first().ok_or("no program")?;
    let mut child = Command::new(program)
        .args(arguments)
        .args(core.iter().flat_map(|core| ["--core".to_owned(), core.to_string()]))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let stdout = child.stdout.take();
    let process = Process(child);
    let mut addr = String::new();
    if let Some(stdout) = stdout {
        BufReader::new(stdout).read_line(&mut addr)?;
    }
    match addr.trim() {
        "" => Err(format!("{program} did not start").into()),
        addr => Ok((process, addr.to_owned())),
    }
}
