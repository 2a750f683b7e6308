//! The core on compio, a runtime of completions (io_uring on Linux): an echo server. Reads and
//! writes own their buffers, and none is dropped halfway.
//!
//! ```text
//! cargo run --release --example compio_server -- --addr 127.0.0.1:9004
//! ```

#[path = "error_chain/mod.rs"]
mod error_chain;

use std::io;
use std::net::SocketAddr;

use bytes::Buf;
use clap::Parser;
use compio::BufResult;
use compio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream};
use websocket_driver::{Config, Driver, Event, ReadyState};

use self::error_chain::ErrorChain;

/// Echoes every WebSocket message, on compio.
#[derive(Debug, Parser)]
#[command(name = "compio_server")]
struct Options {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:9004")]
    addr: SocketAddr,
}

#[compio::main]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind(Options::parse().addr).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        compio::runtime::spawn(async {
            if let Err(error) = serve(stream).await {
                eprintln!("connection: {}", ErrorChain(&error));
            }
        })
        .detach();
    }
}

async fn serve(mut stream: TcpStream) -> io::Result<()> {
    let mut driver = Driver::server(Config::server());
    let handshake = driver.timeouts().handshake;
    let opening = async {
        while driver.ready_state() == ReadyState::Connecting {
            exchange(&mut stream, &mut driver).await?;
        }
        Ok::<_, io::Error>(())
    };
    // Dropping a read cancels it, and loses what it has read: here with the connection.
    compio::time::timeout(handshake, opening).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    while !driver.is_closed() {
        exchange(&mut stream, &mut driver).await?;
    }
    stream.shutdown().await
}

/// Reads once, and answers what has arrived.
async fn exchange(stream: &mut TcpStream, driver: &mut Driver) -> io::Result<()> {
    let BufResult(read, buffer) = stream.read(Vec::with_capacity(16 * 1024)).await;
    match read? {
        0 => driver.receive_eof(),
        _ => driver.receive(&buffer[..]),
    }
    while let Some(event) = driver.poll_event() {
        match event {
            Event::Connect => driver.start().map_err(io::Error::other)?,
            Event::Message(message) => driver.send(message).map_err(io::Error::other)?,
            Event::Close(close) => println!("close: {} {}", close.code, close.reason),
            _ => {}
        }
    }
    let output = driver.output();
    let bytes = output.copy_to_bytes(output.remaining());
    stream.write_all(bytes).await.0.map(drop)
}
