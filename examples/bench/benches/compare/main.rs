//! Measures servers side by side, and prints tables in Markdown. See the README.md of this package.
//!
//! ```text
//! cargo bench -p websocket-bench -- --only S1,S2 --server limit,ours,tungstenite --rounds 20
//! cargo bench -p websocket-bench -- --save all.json --chart chart.svg
//! cargo bench -p websocket-bench -- --from all.json --chart chart.svg
//! ```
//!
//! Every server is a process on one processor, with a load generator on another. They take turns of
//! 0.1 s, so that changes in the speed of the machine affect all of them, and each turn is compared
//! with that of the baseline in the same round.

mod chart;
mod foreign;
mod machine;
mod options;
mod progress;
mod results;
mod run;
mod scenario;
mod server;
mod table;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

use crate::options::Options;
use crate::progress::Progress;
use crate::results::Results;
use crate::run::{Session, connections_of_a_process};
use crate::scenario::Scenario;
use crate::server::Server;

/// The memory layout of a process is fixed for its lifetime, so processes are restarted after this
/// number of rounds.
const ROUNDS_OF_A_PROCESS: u32 = 10;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = Options::parse();
    let mut scenarios = options.scenarios()?;
    let servers = options.servers()?;
    let mut results = Results::load(&options.from)?;
    if options.from.is_empty() {
        measure_all(&options, &scenarios, &servers, &mut results);
        results.machines.push(machine::describe(&options, &servers));
    } else {
        scenarios.retain(|scenario| servers.iter().any(|server| results.cell(scenario, server.name).is_some()));
    }
    if let Some(path) = &options.save {
        results.save(path)?;
    }
    println!("# Servers side by side\n");
    results.machines.iter().for_each(|machine| println!("{machine}"));
    println!("{}", table::overview(&results, &scenarios, &servers));
    for scenario in &scenarios {
        println!("{}", table::of_scenario(&results, scenario, &servers));
    }
    println!("{}", table::LEGEND);
    print!("{}", table::failures(&results));
    if let Some(path) = &options.chart {
        chart::draw(path, &results, &scenarios, &servers)?;
    }
    Ok(if results.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn measure_all(options: &Options, scenarios: &[&Scenario], servers: &[Server], results: &mut Results) {
    let progress = Progress::new(options, scenarios, servers);
    for scenario in scenarios {
        progress.begin(scenario);
        let most = connections_of_a_process();
        if let Some(all) = scenario.spread.filter(|all| *all > most) {
            let name = scenario.name;
            let count = all.div_ceil(most);
            progress.line(&format!(
                "{name}: a process may open {most} connections, so each server runs in {count} processes. \
                 `ulimit -Hn` is the limit"
            ));
        }
        let taking_part: Vec<&Server> = servers.iter().filter(|server| server.takes_part(scenario)).collect();
        let rounds = options.rounds_of(scenario);
        let of_a_process = if scenario.rounds.is_some() { 1 } else { ROUNDS_OF_A_PROCESS };
        for first in (0..rounds).step_by(of_a_process as usize) {
            let count = of_a_process.min(rounds - first);
            measure(options, scenario, &taking_part, count, results, &progress);
        }
    }
    progress.end();
}

/// Runs some rounds with the same processes. A server that fails is excluded from then on.
fn measure(
    options: &Options,
    scenario: &Scenario,
    servers: &[&Server],
    rounds: u32,
    results: &mut Results,
    progress: &Progress,
) {
    let mut sessions: Vec<Option<Session>> = servers.iter().map(|_| None).collect();
    for round in 0..rounds {
        results.begin_round();
        for (server, resting) in servers.iter().zip(&mut sessions) {
            progress.advance(options, scenario, 1);
            let session = match resting.take() {
                Some(session) => Ok(session),
                None if round == 0 => Session::start(options, scenario, server),
                None => continue,
            };
            match session.and_then(|mut session| Ok((session.measure()?, session))) {
                Ok((run, session)) => {
                    results.add(scenario, server, run);
                    *resting = Some(session).filter(|_| round + 1 < rounds);
                }
                Err(error) => {
                    progress.line(&format!("{}, {}: FAILED: {error}", scenario.name, server.name));
                    results.fail(scenario, server, error.to_string());
                }
            }
        }
    }
}
