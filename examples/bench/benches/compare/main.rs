//! Measures servers side by side, and prints tables in Markdown. See the README.md of this package.
//!
//! ```text
//! cargo bench -p websocket-bench -- --only S1,S2 --server ours,tungstenite --rounds 3
//! ```
//!
//! Every measurement has a fresh server process on one processor and the load generator on another. Rounds go through all
//! servers before one is measured again, so that a machine that gets slower or faster does so for all of them.

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

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = Options::parse();
    let scenarios = options.scenarios()?;
    let servers = options.servers()?;
    let mut results = Results::default();
    for round in 1..=options.rounds {
        for scenario in &scenarios {
            for server in servers.iter().filter(|server| server.takes_part(scenario)) {
                if scenario.rounds.is_some_and(|most| round > most) {
                    continue;
                }
                eprint!("round {round} of {}: {}, {}: ", options.rounds, scenario.name, server.name);
                match run::run(&options, scenario, server) {
                    Ok(run) => {
                        eprintln!("{run}");
                        results.add(scenario, server, run);
                    }
                    Err(error) => {
                        eprintln!("FAILED: {error}");
                        results.fail(scenario, server, error.to_string());
                    }
                }
            }
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
