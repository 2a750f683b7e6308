//! Sends messages to an echo server and checks what comes back.
//!
//! ```text
//! cargo run --release --example echo_client -- ws://127.0.0.1:9001 --count 1000 --deflate
//! ```

mod tls;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use permessage_deflate::PermessageDeflate;
use tower_websocket::{CloseCode, Config, Message, WebSocket, connect};

/// Sends messages to an echo server, checks each echo, and tells how long they took.
#[derive(Debug, Parser)]
#[command(name = "echo_client")]
struct Options {
    /// The server: ws: or wss:.
    url: String,
    /// The text to send.
    #[arg(long, default_value = "hello")]
    text: String,
    /// Send so many bytes instead of a text.
    #[arg(long, value_name = "N")]
    binary_size: Option<usize>,
    /// How many messages to send, one after the other.
    #[arg(long, value_name = "N", default_value_t = 1)]
    count: usize,
    /// Offer permessage-deflate.
    #[arg(long)]
    deflate: bool,
    /// The subprotocols to offer, best first.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    protocols: Vec<String>,
    /// An HTTP proxy to go through, with user and password if it wants them.
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// A header to add to the request.
    #[arg(long = "header", value_name = "K: V")]
    headers: Vec<String>,
    /// Trust the certificates in this PEM file, and no others.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Do not verify the server's certificate.
    #[arg(long, conflicts_with = "ca")]
    insecure: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_client: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let mut config = Config::client();
    if options.deflate {
        config = config.extension(PermessageDeflate::new())?;
    }
    let mut request = connect(options.url.as_str()).config(config).protocols(options.protocols);
    if let Some(proxy) = options.proxy {
        request = request.proxy(proxy.parse()?);
    }
    for header in &options.headers {
        let (name, value) = header.split_once(':').ok_or("a header is a name, a colon and a value")?;
        request = request.header(name.trim(), value.trim());
    }
    if let Some(file) = options.ca {
        request = request.tls(tls::trusting(&file)?);
    } else if options.insecure {
        request = request.tls(tls::trusting_anyone()?);
    }
    let (mut socket, response) = request.await?;
    let extensions = response.headers().get("sec-websocket-extensions").and_then(|value| value.to_str().ok());
    println!(
        "connected: {}, subprotocol {}, extensions {}",
        socket.version(),
        socket.protocol().unwrap_or("none"),
        extensions.unwrap_or("none"),
    );
    let message = match options.binary_size {
        Some(size) => Message::binary((0..size).map(|i| (i * 7 % 251) as u8).collect::<Vec<_>>()),
        None => Message::text(options.text),
    };
    let mut times = Vec::new();
    let outcome = echo(&mut socket, message, options.count, &mut times).await;
    println!("{} of {} came back", times.len(), options.count);
    times.sort_unstable();
    if let (Some(first), Some(last)) = (times.first(), times.last()) {
        let median = times[times.len() / 2];
        println!("round trip: {first:.1?} at least, {median:.1?} median, {last:.1?} at most");
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
            Some(_) => return Err("what came back is not what was sent".into()),
            None => return Err(format!("the server closed: {:?}", socket.close_frame()).into()),
        }
    }
    Ok(())
}
