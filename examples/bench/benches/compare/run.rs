//! One measurement: a server, the load generator, and what others did meanwhile.

use std::error::Error;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use websocket_bench::measurement::Measurement;

use crate::foreign::Foreign;
use crate::options::Options;
use crate::scenario::{Scenario, Unit};
use crate::server::Server;

/// From this part of a processor on that others used, a measurement counts as disturbed.
const DISTURBED: f64 = 0.10;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) unit: Unit,
    pub(crate) measured: Measurement,
    /// The part of one processor that others used.
    foreign: f64,
}

impl Run {
    pub(crate) fn is_disturbed(&self) -> bool {
        // Nobody else's work makes memory of a server.
        self.unit != Unit::Bytes && self.foreign >= DISTURBED
    }

    /// The number that is compared: nanoseconds or bytes.
    pub(crate) fn cost(&self) -> f64 {
        match self.unit {
            Unit::Bytes => self.measured.idle_bytes,
            Unit::Message | Unit::Handshake => self.measured.cost(),
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit {
            Unit::Bytes => write!(f, "{:.0} B", self.cost())?,
            _ => write!(f, "{:.0}/s, {:.0} ns each", self.measured.rate(), self.cost())?,
        }
        write!(f, ", others {:.0} %", self.foreign * 100.0)
    }
}

/// A child that ends with what started it.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn run(options: &Options, scenario: &Scenario, server: &Server) -> Result<Run, Box<dyn Error>> {
    let (server_core, load_core) = options.cores().unzip();
    let (serving, addr) = start(server.command(scenario), server_core)?;
    let pid = serving.0.id();

    let mut load = Command::new(env!("CARGO_BIN_EXE_load"));
    load.args(scenario.load.split(' ')).args(["--addr", &addr, "--pid", &pid.to_string()]);
    load.args(["--seconds", &options.seconds.to_string(), "--warmup", &options.warmup.to_string()]);
    load.args(load_core.iter().flat_map(|core| ["--core".to_owned(), core.to_string()]));
    if server.is_raw() {
        load.arg("--raw");
    }
    let load = load.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let ours = [pid, load.id(), std::process::id()];
    let before = Foreign::look(&ours);
    let output = load.wait_with_output()?;
    let foreign = before.until(&Foreign::look(&ours));
    if !output.status.success() {
        return Err(format!("load: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
    }
    let measured: Measurement = String::from_utf8_lossy(&output.stdout).parse()?;
    if measured.messages == 0 && scenario.unit != Unit::Bytes {
        return Err("not one message came back in the time that was measured".into());
    }
    Ok(Run { unit: scenario.unit, measured, foreign })
}

/// Starts a server, and reads where it listens.
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
