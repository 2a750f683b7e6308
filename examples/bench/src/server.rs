//! What all servers share, whatever they are made of: the command line, one thread, the listener.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Parser, ValueEnum};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::unconstrained;

use crate::process::settle;

/// "A smaller buffer, e.g. 4 KiB, would be appropriate", says tungstenite of many connections.
pub const SMALL_BUFFER: usize = 4 * 1024;

/// The largest message that a server is to take.
pub const MAX_MESSAGE: usize = 64 << 20;

/// The messages that a broadcast channel holds for receivers that are behind: more than any burst.
pub const BACKLOG: usize = 100;

/// The command line of a server.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Where to listen; port 0 takes one that is free, and prints it.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub addr: SocketAddr,
    /// The processor to run on.
    #[arg(long)]
    pub core: Option<usize>,
    /// What to do with messages.
    #[arg(long, value_enum, default_value_t = Mode::Plain)]
    pub mode: Mode,
}

/// What a server does with messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Echo each with the loop that everyone writes: receive one, send one.
    Plain,
    /// Echo all that have come already, then flush once.
    Batched,
    /// As plain, with the small buffers that the documentation gives for many connections.
    Small,
    /// As plain, with permessage-deflate.
    Deflate,
    /// Send each to all connections.
    Broadcast,
}

impl Mode {
    /// What a server says that cannot do this.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn refuse(self) -> Result<(), Box<dyn Error>> {
        Err(format!("this server has no mode {self:?}").into())
    }
}

#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    options: Options,
}

impl Options {
    /// Reads the command line of a server that has no further options.
    #[must_use]
    pub fn read() -> Self {
        Command::parse().options
    }
}

/// Runs a server on one thread, and prints where it listens.
///
/// # Errors
///
/// Where it cannot listen, and what the server ends with.
pub fn run<F>(options: &Options, serve: impl FnOnce(TcpListener) -> F) -> Result<(), Box<dyn Error>>
where
    F: Future<Output = io::Result<()>>,
{
    settle(options.core)?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(options.addr).await?;
        println!("{}", listener.local_addr()?);
        serve(listener).await
    })?;
    Ok(())
}

/// Serves each connection in a task of its own, for ever. The tasks are outside of tokio's budget, as in the benchmarks that
/// fastwebsockets and tokio-websockets publish: it can only help them.
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

/// The next connection.
pub async fn next(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                return stream;
            }
            // Out of file descriptors, mostly: give the others time to close theirs.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
