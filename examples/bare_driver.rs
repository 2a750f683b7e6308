//! The core alone on `std::net` and threads: an echo server that also answers plain HTTP.
//!
//! ```text
//! cargo run --release --example bare_driver -- --addr 127.0.0.1:9002
//! ```

#[path = "error_chain/mod.rs"]
mod error_chain;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use bytes::Buf;
use clap::Parser;
use websocket_driver::{Config, Driver, Event, is_handshake};

use self::error_chain::ErrorChain;

/// Echoes every WebSocket message without an async runtime.
#[derive(Debug, Parser)]
#[command(name = "bare_driver")]
struct Options {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:9002")]
    addr: SocketAddr,
}

const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nOpen a WebSocket here.\n";

fn main() -> io::Result<()> {
    let listener = TcpListener::bind(Options::parse().addr)?;
    println!("listening on ws://{}/", listener.local_addr()?);
    for stream in listener.incoming() {
        thread::spawn(|| stream.and_then(serve));
    }
    Ok(())
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    let mut driver = Driver::server(Config::server().allow_drafts(true));
    let mut buffer = [0; 16 * 1024];
    while !driver.is_closed() {
        match stream.read(&mut buffer)? {
            0 => driver.receive_eof(),
            read => driver.receive(&buffer[..read]),
        }
        // After every input: process the events, and write the output after each of them.
        while let Some(event) = driver.poll_event() {
            match event {
                Event::Connect if driver.request().is_some_and(is_handshake) => {
                    driver.start().map_err(io::Error::other)?;
                }
                Event::Connect => return stream.write_all(PAGE.as_bytes()),
                Event::Open => println!("open: {}", driver.version().map_or("", |version| version.as_str())),
                Event::Message(message) => driver.send(message).map_err(io::Error::other)?,
                Event::Error(error) => println!("error: {}", ErrorChain(&error)),
                Event::Close(close) => println!("close: {} {}", close.code, close.reason),
                _ => {}
            }
            let output = driver.output();
            while output.has_remaining() {
                let written = stream.write(output.chunk())?;
                output.advance(written);
            }
        }
    }
    Ok(())
}
