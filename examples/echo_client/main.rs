//! Sends messages to an echo server and checks the replies.
//!
//! ```text
//! cargo run --release --example echo_client -- ws://127.0.0.1:9001 --count 1000 --deflate
//! ```

#[path = "../../crates/wsx/src/client_options/mod.rs"]
mod client_options;
#[path = "../error_chain/mod.rs"]
mod error_chain;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use tower_websocket::{CloseCode, Message, WebSocket};

use self::client_options::{ClientOptions, MessageOptions};
use self::error_chain::ErrorChain;

/// Sends messages to an echo server ("hello" by default), checks each echo, and prints how long
/// they took.
#[derive(Debug, Parser)]
#[command(name = "echo_client")]
struct Options {
    #[command(flatten)]
    client: ClientOptions,
    #[command(flatten)]
    message: MessageOptions,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_client: {}", ErrorChain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let (mut socket, response) = options.client.connect()?.await?;
    let extensions = response.headers().get("sec-websocket-extensions").and_then(|value| value.to_str().ok());
    println!(
        "connected: {}, subprotocol {}, extensions {}",
        socket.version(),
        socket.protocol().unwrap_or("none"),
        extensions.unwrap_or("none"),
    );
    let message = options.message.message().unwrap_or_else(|| Message::text("hello"));
    let count = options.message.count;
    let mut times = Vec::new();
    let outcome = echo(&mut socket, message, count, &mut times).await;
    println!("{} of {count} echoed", times.len());
    times.sort_unstable();
    if let (Some(first), Some(last)) = (times.first(), times.last()) {
        let median = times[times.len() / 2];
        println!("round trip: min {first:.1?}, median {median:.1?}, max {last:.1?}");
    }
    outcome?;
    socket.close(CloseCode::NORMAL, "").await?;
    Ok(())
}

async fn echo(
    socket: &mut WebSocket,
    message: Message,
    count: usize,
    times: &mut Vec<Duration>,
) -> Result<(), Box<dyn Error>> {
    for _ in 0..count {
        let begun = Instant::now();
        socket.send(message.clone()).await?;
        match socket.recv().await.transpose()? {
            Some(echo) if echo == message => times.push(begun.elapsed()),
            Some(_) => return Err("echo differs from the sent message".into()),
            None => return Err(format!("the server closed: {:?}", socket.close_frame()).into()),
        }
    }
    Ok(())
}
