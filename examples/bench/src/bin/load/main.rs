//! The load generator: one thread, sockets without blocking, and no WebSocket library. Frames are made and masked before
//! the start, what comes back is compared byte by byte with what has to, and not a message may be missing in the end: else
//! the run fails.
//!
//! It prints a [`Measurement`], a line for each number.

mod connect;
mod deflate;
mod echo;
mod exchange;
mod handshake;
mod idle;
mod payload;
mod plan;
mod window;

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use websocket_bench::measurement::Measurement;
use websocket_bench::process::settle;

use crate::exchange::Exchange;
use crate::payload::Content;

/// Talks to a WebSocket server, and measures what that costs it.
#[derive(Debug, Clone, Parser)]
#[command(name = "load")]
pub(crate) struct Options {
    /// What to do.
    #[arg(value_enum)]
    kind: Kind,
    /// Where the server listens.
    #[arg(long)]
    addr: SocketAddr,
    /// The server's process, on this machine.
    #[arg(long)]
    pid: u32,
    /// The processor to run on.
    #[arg(long)]
    core: Option<usize>,
    /// How many connections; handshakes: how many at a time.
    #[arg(long, default_value_t = 100, value_parser = at_least_one)]
    connections: usize,
    /// How many messages each connection sends in one write; the next follow when all are back.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    in_flight: usize,
    /// Broadcast: as many more connections that read nothing.
    #[arg(long, default_value_t = 0)]
    stalled: usize,
    /// The bytes of a message.
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// What they are.
    #[arg(long, value_enum, default_value_t = Content::Ascii)]
    content: Content,
    /// The frames of a message.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    fragments: usize,
    /// Offer permessage-deflate, insist on it, and send compressed messages.
    #[arg(long)]
    deflate: bool,
    /// The server sends back the bytes as they are, frame headers, masks and all.
    #[arg(long)]
    raw: bool,
    /// How long to measure.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// How long to go on before that.
    #[arg(long, default_value_t = 0.4)]
    warmup: f64,
    /// Measure on the same connections for each line that comes from standard input, and print an empty line when ready.
    #[arg(long)]
    turns: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Each message comes back to who sent it.
    Echo,
    /// Each message of the first connection comes to all of them.
    Broadcast,
    /// Connect, shake hands, close, again.
    Handshake,
    /// Connect, and look at the server's memory.
    Idle,
}

/// After so long without a byte the run has failed.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> Result<(), Box<dyn Error>> {
    let options = &Options::parse();
    settle(options.core)?;
    let mut measure: Box<dyn FnMut() -> Result<Measurement, String>> = match options.kind {
        Kind::Echo => {
            let mut exchange = Exchange::open(options, false)?;
            Box::new(move || echo::echo(options, &mut exchange))
        }
        Kind::Broadcast => {
            let stalled = (0..options.stalled).map(|number| connect::open_stalled(options, number));
            let stalled = stalled.collect::<Result<Vec<_>, _>>()?;
            if !stalled.is_empty() {
                echo::fill(options)?;
            }
            let mut exchange = Exchange::open(options, true)?;
            Box::new(move || {
                // They stay open.
                let _ = &stalled;
                echo::broadcast(options, &mut exchange)
            })
        }
        Kind::Handshake => Box::new(move || handshake::handshakes(options)),
        Kind::Idle => Box::new(move || idle::idle(options)),
    };
    if !options.turns {
        print!("{}", measure()?);
        return Ok(());
    }
    println!();
    for line in io::stdin().lines() {
        line?;
        println!("{}", measure()?);
    }
    Ok(())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".into()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}
