//! Measures servers side by side, and prints tables in Markdown. See the README.md of this package.
//!
//! ```text
//! cargo bench -p websocket-bench -- --only S1,S2 --server limit,ours,tungstenite --rounds 20
//! ```
//!
//! Every server is a process on one processor, with a load generator on another. They take turns of
//! 0.1 s, so that changes in the speed of the machine affect all of them, and each turn is compared
//! with that of the baseline in the same round.

mod foreign;
mod machine;
mod options;
mod results;
mod run;
mod scenario;
mod server;
mod table;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

use crate::options::Options;
use crate::results::Results;
use crate::run::Session;
use crate::scenario::Scenario;
use crate::server::Server;

/// The memory layout of a process is fixed for its lifetime, so processes are restarted after this
/// number of rounds.
const ROUNDS_OF_A_PROCESS: u32 = 10;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = Options::parse();
    let scenarios = options.scenarios()?;
    let servers = options.servers()?;
    let mut results = Results::default();
    for scenario in &scenarios {
        let taking_part: Vec<&Server> = servers.iter().filter(|server| server.takes_part(scenario)).collect();
        let (rounds, of_a_process) = match scenario.rounds {
            Some(most) => (options.rounds.min(most), 1),
            None => (options.rounds, ROUNDS_OF_A_PROCESS),
        };
        for first in (0..rounds).step_by(of_a_process as usize) {
            eprintln!("{}: round {} of {rounds}", scenario.name, first + 1);
            measure(&options, scenario, &taking_part, of_a_process.min(rounds - first), &mut results);
        }
    }
    println!("{}", machine::describe(&options, &servers));
    println!("{}", table::overview(&results, &scenarios, &servers));
    for scenario in &scenarios {
        println!("{}", table::of_scenario(&results, scenario, &servers));
    }
    println!("{}", table::LEGEND);
    print!("{}", table::failures(&results));
    Ok(if results.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Runs some rounds with the same processes. A server that fails is excluded from then on.
fn measure(options: &Options, scenario: &Scenario, servers: &[&Server], rounds: u32, results: &mut Results) {
    let mut sessions: Vec<Option<Session>> = servers.iter().map(|_| None).collect();
    for round in 0..rounds {
        results.begin_round();
        for (server, resting) in servers.iter().zip(&mut sessions) {
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
                    eprintln!("{}, {}: FAILED: {error}", scenario.name, server.name);
                    results.fail(scenario, server, error.to_string());
                }
            }
        }
    }
}
