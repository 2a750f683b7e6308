//! The load generator: one thread, non-blocking sockets, and no WebSocket library. Frames are
//! encoded and masked in advance. Replies are compared byte by byte with the expected ones. A wrong
//! or missing reply fails the run.
//!
//! It prints a [`Measurement`] as JSON.

mod connect;
mod deflate;
mod echo;
mod exchange;
mod handshake;
mod http2;
mod idle;
mod large;
mod payload;
mod pieces;
mod plan;
mod socketio;
mod tls;
mod transport;
mod window;

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use websocket_bench::measurement::Measurement;
use websocket_bench::process::settle;

use crate::exchange::Exchange;
use crate::http2::Http2;
use crate::payload::Content;

/// Sends messages to a WebSocket server, and measures what they cost it.
#[derive(Debug, Clone, Parser)]
#[command(name = "load")]
pub(crate) struct Options {
    /// The task.
    #[arg(value_enum)]
    kind: Kind,
    /// The address of the server.
    #[arg(long)]
    addr: SocketAddr,
    /// The process ID of the server, on this machine.
    #[arg(long)]
    pid: u32,
    /// The processor to run on.
    #[arg(long)]
    core: Option<usize>,
    /// The number of connections; for handshakes: the number at a time.
    #[arg(long, default_value_t = 100, value_parser = at_least_one)]
    connections: usize,
    /// The number of messages that each connection sends in one write. The next follow when all
    /// replies have arrived.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    in_flight: usize,
    /// For broadcasts: the number of additional connections that read nothing.
    #[arg(long, default_value_t = 0)]
    stalled: usize,
    /// The size of a message in bytes.
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// The content of a message.
    #[arg(long, value_enum, default_value_t = Content::Ascii)]
    content: Content,
    /// The number of frames per message.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    fragments: usize,
    /// Require permessage-deflate, and send compressed messages. Without context takeover, unless
    /// `--takeover` is given.
    #[arg(long)]
    deflate: bool,
    /// With `--deflate`: use context takeover in both directions.
    #[arg(long, requires = "deflate")]
    takeover: bool,
    /// For idle connections: the number of batches that each sends after its memory was measured
    /// for the first time.
    #[arg(long, default_value_t = 1)]
    batches: usize,
    /// For idle connections: the number of seconds for which the CPU time of the server is
    /// measured, while its pings are answered. Nothing is sent on the connections then.
    #[arg(long, default_value_t = 0.0)]
    watch: f64,
    /// Expect the server to return the bytes unchanged, including frame headers and masks.
    #[arg(long)]
    raw: bool,
    /// Connect to the default namespace of Socket.IO, and send each message as the text of an
    /// event. Its packet is 10 bytes larger than the text.
    #[arg(long, conflicts_with_all = ["raw", "deflate", "streams"])]
    socketio: bool,
    /// Use TLS, and trust any certificate.
    #[arg(long, conflicts_with = "streams")]
    tls: bool,
    /// Use HTTP/2 with prior knowledge, with this number of streams on each connection, which are
    /// WebSockets (RFC 8441).
    #[arg(long, value_parser = at_least_one)]
    streams: Option<usize>,
    /// The duration of the measurement.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// The duration of the warm-up.
    #[arg(long, default_value_t = 0.4)]
    warmup: f64,
    /// Run a measurement for each line of the standard input, on the same connections, and print a
    /// line when ready.
    #[arg(long)]
    turns: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Each message is returned to its sender.
    Echo,
    /// Each message of the first connection is sent to all.
    Broadcast,
    /// Connect, perform a handshake, close, and repeat.
    Handshake,
    /// Connect, and measure the server's memory and CPU time.
    Idle,
    /// As echo, but each measurement is one message, which may be returned in any number of frames.
    Large,
}

/// The time without data after which the run fails.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> Result<(), Box<dyn Error>> {
    let options = &Options::parse();
    settle(options.core)?;
    if options.socketio && (options.content != Content::Ascii || options.kind == Kind::Handshake) {
        return Err("unsupported with --socketio: handshake, content other than ascii".into());
    }
    let mut measure: Box<dyn FnMut() -> Result<Measurement, String>> = match options.kind {
        Kind::Echo if options.streams.is_some() => {
            let mut sockets = Http2::open(options)?;
            Box::new(move || sockets.echo(options))
        }
        kind if options.streams.is_some() => return Err(format!("unsupported with --streams: {kind:?}").into()),
        Kind::Handshake if options.tls => return Err("unsupported with --tls: handshake".into()),
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
                // The connections stay open.
                let _ = &stalled;
                echo::broadcast(options, &mut exchange)
            })
        }
        Kind::Handshake => Box::new(move || handshake::handshakes(options)),
        Kind::Idle => Box::new(move || idle::idle(options)),
        Kind::Large => {
            let mut exchange = Exchange::open(options, false)?;
            // The first messages include what a server allocates only once.
            large::large(options, &mut exchange)?;
            Box::new(move || large::large(options, &mut exchange))
        }
    };
    if !options.turns {
        println!("{}", serde_json::to_string(&measure()?)?);
        return Ok(());
    }
    println!("ready");
    for line in io::stdin().lines() {
        line?;
        println!("{}", serde_json::to_string(&measure()?)?);
    }
    Ok(())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}
