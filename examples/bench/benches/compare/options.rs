//! The command line.

use std::path::PathBuf;
use std::thread::available_parallelism;

use clap::Parser;

use crate::scenario::{self, Scenario};
use crate::server::{self, Server};

/// Measures WebSocket servers side by side.
#[derive(Debug, Parser)]
#[command(name = "compare")]
pub(crate) struct Options {
    /// Run only these scenarios. Those that take long run only if they are named.
    #[arg(long, value_name = "S1,S2,…", value_delimiter = ',')]
    only: Vec<String>,
    /// Run only servers whose names contain one of these.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    server: Vec<String>,
    /// The number of rounds: measurements of each server in each scenario.
    #[arg(long, default_value_t = 30)]
    pub(crate) rounds: u32,
    /// The duration of a measurement, without its warm-up.
    #[arg(long, default_value_t = 0.1)]
    pub(crate) seconds: f64,
    /// The duration of the warm-up.
    #[arg(long, default_value_t = 0.02)]
    pub(crate) warmup: f64,
    /// The processor of the servers.
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// The processor of the load generator.
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    /// Draw a chart of the results to this SVG file.
    #[arg(long, value_name = "FILE")]
    pub(crate) chart: Option<PathBuf>,
    /// Store all measurements in this JSON file.
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// Measure nothing, and use the measurements in these files.
    #[arg(long, value_name = "FILE,…", value_delimiter = ',')]
    pub(crate) from: Vec<PathBuf>,
    /// Passed by cargo to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    pub(crate) fn scenarios(&self) -> Result<Vec<&'static Scenario>, String> {
        let known = || scenario::ALL.iter().map(|scenario| scenario.name);
        for name in &self.only {
            if !known().any(|known| known.eq_ignore_ascii_case(name)) {
                return Err(format!(
                    "unknown scenario {name}, expected one of {}",
                    known().collect::<Vec<_>>().join(", ")
                ));
            }
        }
        let wanted = |scenario: &&Scenario| {
            (self.only.is_empty() && !scenario.is_opt_in)
                || self.only.iter().any(|name| name.eq_ignore_ascii_case(scenario.name))
        };
        Ok(scenario::ALL.iter().filter(wanted).collect())
    }

    pub(crate) fn servers(&self) -> Result<Vec<Server>, String> {
        // Without the feature the others are not built, and their programs may be out of date.
        let has_peers = cfg!(feature = "peers") || !self.from.is_empty();
        let mut servers = server::all(has_peers);
        for name in &self.server {
            if !servers.iter().any(|server| server.name.contains(name.as_str())) {
                let known: Vec<_> = servers.iter().map(|server| server.name).collect();
                return Err(format!("unknown server {name}, expected one of {}", known.join("; ")));
            }
        }
        servers.retain(|server| self.server.is_empty() || self.server.iter().any(|name| server.name.contains(name)));
        Ok(servers)
    }

    /// Returns the number of rounds of a scenario.
    pub(crate) fn rounds_of(&self, scenario: &Scenario) -> u32 {
        scenario.rounds.map_or(self.rounds, |most| most.min(self.rounds))
    }

    /// Returns the processors of server and load generator, if there are two.
    pub(crate) fn cores(&self) -> Option<(usize, usize)> {
        let enough = available_parallelism().is_ok_and(|count| count.get() > 1);
        enough.then_some((self.server_core, self.load_core))
    }
}
