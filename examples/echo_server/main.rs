//! Echoes every message on every path, with any part of the stack.
//!
//! ```text
//! cargo run --release --example echo_server -- --stack tower --allow-drafts
//! ```

mod echo;
#[path = "../error_chain/mod.rs"]
mod error_chain;
#[path = "../serve/mod.rs"]
mod serve;
mod stacks;

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use permessage_deflate::{PermessageDeflate, WindowBits};
use tokio::net::TcpListener;
use tower_websocket::{CloseCode, Config, Shutdown};

use crate::echo::Echo;
use crate::error_chain::ErrorChain;

/// Echoes every WebSocket message on every path.
#[derive(Debug, Parser)]
#[command(name = "echo_server")]
struct Options {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:9001")]
    addr: SocketAddr,
    /// Stack to serve with: the axum extractor, the Tower layer over hyper-util, or plain TCP.
    #[arg(long, value_enum, default_value_t = Stack::Axum)]
    stack: Stack,
    /// Accept hybi-7, hybi-8, hixie-76 and hixie-75 as well.
    #[arg(long)]
    allow_drafts: bool,
    /// Number of worker threads; with 1, everything runs on the main thread.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Maximum message size.
    #[arg(long, value_name = "BYTES")]
    max_message_size: Option<usize>,
    /// Supported subprotocols in order of preference.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    protocols: Vec<String>,
    /// Echo with `for_each_borrowed`, which lends the messages, instead of `recv` and `send`.
    #[arg(long)]
    for_each: bool,
    /// Echo messages while they arrive, which takes no memory for the whole of them.
    #[arg(long, conflicts_with_all = ["for_each", "allow_drafts"])]
    stream: bool,
    #[command(flatten)]
    deflate: Deflate,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Compression")]
struct Deflate {
    /// Accept permessage-deflate.
    #[arg(long)]
    deflate: bool,
    /// Maximum window to compress with, 8 to 15.
    #[arg(long, value_name = "BITS", default_value_t = WindowBits::MAX, requires = "deflate")]
    max_window_bits: WindowBits,
    /// Maximum window to request from clients, 8 to 15.
    #[arg(long, value_name = "BITS", default_value_t = WindowBits::MAX, requires = "deflate")]
    request_max_window_bits: WindowBits,
    /// Compress each message without context.
    #[arg(long, requires = "deflate")]
    no_context_takeover: bool,
    /// Request that clients compress each message without context.
    #[arg(long, requires = "deflate")]
    request_no_context_takeover: bool,
    /// Compression level, 0 to 9.
    #[arg(long, value_name = "LEVEL", default_value_t = 6, requires = "deflate", value_parser = clap::value_parser!(u8).range(..=9))]
    level: u8,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Stack {
    Axum,
    Tower,
    Tcp,
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_server: {}", ErrorChain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let mut runtime = match options.threads {
        Some(1) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if let Some(threads) = options.threads {
        runtime.worker_threads(threads.into());
    }
    runtime.enable_all().build()?.block_on(serve(options))
}

async fn serve(options: Options) -> Result<(), Box<dyn Error>> {
    let mut config = Config::server().allow_drafts(options.allow_drafts).protocols(options.protocols);
    if let Some(bytes) = options.max_message_size {
        config = config.max_message_size(bytes).max_frame_size(bytes);
    }
    let deflate = options.deflate;
    if deflate.deflate {
        config = config.extension(
            PermessageDeflate::new()
                .level(deflate.level)
                .max_window_bits(deflate.max_window_bits)
                .request_max_window_bits(deflate.request_max_window_bits)
                .no_context_takeover(deflate.no_context_takeover)
                .request_no_context_takeover(deflate.request_no_context_takeover),
        )?;
    }
    // Registered before serving, so that no signal is missed.
    let interrupted = tokio::signal::ctrl_c();
    let listener = TcpListener::bind(options.addr).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    let shutdown = Shutdown::new();
    let limit = config.limits().max_message_size as u64;
    let echo = Echo { for_each: options.for_each, stream: options.stream.then_some(limit) };
    let served = async {
        match options.stack {
            Stack::Axum => stacks::axum(listener, config, echo, shutdown.clone()).await,
            Stack::Tower => stacks::tower(listener, config, echo, shutdown.clone()).await,
            Stack::Tcp => stacks::tcp(listener, config, echo, shutdown.clone()).await,
        }
    };
    tokio::select! {
        result = served => result?,
        result = interrupted => result?,
    }
    shutdown.begin(CloseCode::GOING_AWAY, "the server is going down")?;
    shutdown.wait(Duration::from_secs(3)).await;
    Ok(())
}
