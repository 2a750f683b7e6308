//! The part that all servers share: the command line, the runtime, the listener.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Parser, ValueEnum};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::unconstrained;

use crate::process::settle;

/// The size that tungstenite suggests for many connections: "A smaller buffer, e.g. 4 KiB, would be
/// appropriate".
pub const SMALL_BUFFER: usize = 4 * 1024;

/// The maximum size of a message.
pub const MAX_MESSAGE: usize = 64 << 20;

/// The capacity of a broadcast channel: more than any burst.
pub const BACKLOG: usize = 100;

/// The command line of a server.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The address to listen on. Port 0 selects a free port, which is printed.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub addr: SocketAddr,
    /// The processor to run on.
    #[arg(long)]
    pub core: Option<usize>,
    /// The number of worker threads. With 1, everything runs on the main thread.
    #[arg(long, default_value_t = 1)]
    pub workers: usize,
    /// The mode.
    #[arg(long, value_enum, default_value_t = Mode::Plain)]
    pub mode: Mode,
    /// Serve TLS (see [`tls`](crate::tls)).
    #[arg(long)]
    pub tls: bool,
}

/// The way in which a server handles messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Echo with the usual loop: receive one message, send one.
    Plain,
    /// Echo all messages that have already arrived, then flush once.
    Batched,
    /// As plain, with the small buffers that the documentation suggests for many connections.
    Small,
    /// As plain, with permessage-deflate without context takeover.
    Deflate,
    /// As plain, with permessage-deflate with context takeover.
    Takeover,
    /// Send each to all connections.
    Broadcast,
    /// Echo messages in pieces, while they arrive.
    Stream,
}

impl Mode {
    /// Returns the error of a server that does not support this mode.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn refuse(self) -> Result<(), Box<dyn Error>> {
        Err(format!("unsupported mode {self:?}").into())
    }
}

#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    options: Options,
}

impl Options {
    /// Parses the command line of a server without further options.
    #[must_use]
    pub fn read() -> Self {
        Command::parse().options
    }
}

/// Runs a server, and prints its address. With several workers, a further thread accepts the
/// connections.
///
/// # Errors
///
/// If it cannot listen, or with the error of the server.
pub fn run<F>(options: &Options, serve: impl FnOnce(TcpListener) -> F) -> Result<(), Box<dyn Error>>
where
    F: Future<Output = io::Result<()>>,
{
    settle(options.core)?;
    let mut builder = match options.workers {
        0 | 1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.worker_threads(options.workers.max(1)).enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(options.addr).await?;
        println!("{}", listener.local_addr()?);
        serve(listener).await
    })?;
    Ok(())
}

/// Serves each connection in a separate task, until the process ends. The tasks are exempt from
/// tokio's cooperative budget, as in the benchmarks of fastwebsockets and tokio-websockets, which
/// can only help them.
///
/// # Errors
///
/// Never.
pub async fn connections<F>(listener: TcpListener, serve: impl Fn(TcpStream) -> F) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let stream = next(&listener).await;
        tokio::spawn(unconstrained(serve(stream)));
    }
}

/// Accepts the next connection.
pub async fn next(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                return stream;
            }
            // Usually out of file descriptors: leave the others time to close theirs.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
