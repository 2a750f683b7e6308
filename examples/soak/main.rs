//! Thousands of peers of every kind against one server, for any duration, and then a check: nothing
//! is lost or duplicated, no memory is leaked, and every socket ended with the expected cause.
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
mod progress;
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
use std::time::{Duration, Instant};

use clap::Parser;

use self::progress::Progress;
use self::report::Report;
use self::stage::Run;

/// Soaks a server with peers of every kind, and fails if anything was lost, duplicated, leaked or
/// ended unexpectedly.
///
/// The peers are clients of every version and of `connect`, over HTTP/1.1 and HTTP/2. Some read
/// slowly, 32 KiB per second or nothing, fall silent, cancel their sends, flood the server with
/// pings, pongs, fragments, tiny or empty messages, violate a rule, or cut the connection. A third
/// of the server's observers panic.
#[derive(Debug, Parser)]
#[command(name = "soak")]
struct Options {
    /// Number of simultaneous connections.
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// Duration in seconds in which peers connect and disconnect.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Seed of the random numbers, to repeat a run as far as scheduling allows.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Number of worker threads [default: number of processors].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

/// The memory that may be held at the end in addition to the start: what libraries allocate once
/// and keep.
const MAX_LEAK: usize = 64 * 1024;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = Options::parse();
    let seed = options.seed.unwrap_or_else(rand::random);
    let connections = options.connections as usize;
    let threads = options.threads.map(usize::from);
    files::make_room_for(connections)?;
    println!("{connections} connections for {} s, --seed {seed}", options.seconds);
    let begun = Instant::now();

    // A warm-up, since many things are allocated on first use and kept.
    let warm_up = Run { connections: connections.min(200), seconds: 2, seed };
    let mut progress = Progress::new(Duration::from_secs(options.seconds));
    progress.announce("warming up");
    drop(warm_up.run(threads, |_, _| {})?);
    progress.announce("measuring idle connections");
    let idle = idle::measure(connections.min(1000))?;
    let start = memory::held();

    let run = Run { connections, seconds: options.seconds, seed };
    let (ledger, outcome) = run.run(threads, |elapsed, open| progress.show(elapsed, open))?;
    drop(progress);
    let mut report = Report::new(&ledger, &outcome);
    let before = memory::held();
    drop(ledger);
    let accounts = before - memory::held();
    report.print();
    drop(report.take_round_trips());
    let end = memory::held();
    report.expect("leaked bytes", end.saturating_sub(start) as u64, MAX_LEAK as u64);

    let (resident, peak_resident) = memory::resident();
    let mb = |bytes: usize| bytes as f64 / 1e6;
    println!("peak of open sockets: {}; shutdown took {:.1} s", outcome.peak_open, outcome.drained_in.as_secs_f64());
    println!(
        "memory held: {:.2} MB at the start, {:.1} MB at the peak, including {:.1} MB of accounts, {:.2} MB at the end; peak of the budget {:.1} MB",
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
