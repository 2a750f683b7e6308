//! Thousands of peers of every kind against one server, for as long as one likes, and then the reckoning: nothing lost,
//! nothing twice, no memory kept, and every socket ended by the cause that it should.
//!
//! ```text
//! cargo run --release --example soak -- --connections 5000 --seconds 60
//! ```

#[path = "../error_chain/mod.rs"]
mod error_chain;
mod files;
mod handshake;
mod idle;
mod kind;
mod ledger;
mod memory;
mod own;
mod peer;
mod raw;
mod report;
mod rude;
mod script;
mod server;
mod stage;
mod talk;
mod verdict;
mod wire;

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use self::report::Report;
use self::stage::Run;

/// Soaks a server in peers of every kind, and fails where anything was lost, doubled, kept or ended as it should not.
#[derive(Debug, Parser)]
#[command(name = "soak")]
struct Options {
    /// How many are connected at a time.
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// How long peers come and go.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// What the peers are drawn by, to have the same again, as far as the scheduling allows.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Worker threads; as many as there are processors, by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

/// How much more may be held at the end than at the start: what libraries keep from the first use on.
const KEPT: usize = 64 * 1024;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = Options::parse();
    let seed = options.seed.unwrap_or_else(rand::random);
    let connections = options.connections as usize;
    let threads = options.threads.map(usize::from);
    files::make_room_for(connections)?;
    println!("{connections} connections for {} s, --seed {seed}", options.seconds);
    let begun = Instant::now();

    // Once round before the count begins, for all that is made at first use and kept.
    let warm_up = Run { connections: connections.min(200), seconds: 2, seed };
    drop(warm_up.run(threads)?);
    let idle = idle::measure(connections.min(1000))?;
    let start = memory::held();

    let run = Run { connections, seconds: options.seconds, seed };
    let (ledger, outcome) = run.run(threads)?;
    let mut report = Report::new(&ledger, &outcome);
    let before = memory::held();
    drop(ledger);
    let accounts = before - memory::held();
    report.print();
    drop(report.take_round_trips());
    let end = memory::held();
    report.expect("bytes kept", end.saturating_sub(start) as u64, KEPT as u64);

    let (resident, peak_resident) = memory::resident();
    let mb = |bytes: usize| bytes as f64 / 1e6;
    println!(
        "open at once: {}; gone within {:.1} s of the shutdown",
        outcome.peak_open,
        outcome.drained_in.as_secs_f64()
    );
    println!(
        "memory held: {:.2} MB at the start, {:.1} MB at the peak, with {:.1} MB of accounts, {:.2} MB at the end; the budget's part {:.1} MB",
        mb(start),
        mb(outcome.peak_held),
        mb(accounts),
        mb(end),
        mb(outcome.peak_budget)
    );
    println!("resident: {:.1} MB at the peak, {:.1} MB at the end", mb(peak_resident), mb(resident));
    println!("an idle connection holds: {}", idle.map(|(stack, bytes)| format!("{stack} {bytes} bytes")).join(", "));
    println!("took {:.1} s", begun.elapsed().as_secs_f64());
    report.print_faults();
    println!("{}", if report.has_faults() { "FAILED" } else { "passed" });
    Ok(if report.has_faults() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
