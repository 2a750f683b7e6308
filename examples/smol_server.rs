//! The core on smol: an echo server with keepalive pings and a handshake timeout. The same loop
//! fits any runtime.
//!
//! ```text
//! cargo run --release --example smol_server -- --addr 127.0.0.1:9003
//! ```

#[path = "error_chain/mod.rs"]
mod error_chain;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Buf;
use clap::Parser;
use smol::Timer;
use smol::future::or;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};
use websocket_driver::{Config, Driver, Event, Keepalive, ServerConfig, Timeout, TimerEvent};

use self::error_chain::ErrorChain;

/// Echoes every WebSocket message, on smol.
#[derive(Debug, Parser)]
#[command(name = "smol_server")]
struct Options {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:9003")]
    addr: SocketAddr,
    /// The milliseconds of silence before a client is pinged, and of waiting for its answer.
    #[arg(long, value_name = "MS", default_value = "20000")]
    ping_interval: u64,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    let interval = Duration::from_millis(options.ping_interval);
    let config = Config::server().ping_interval(Some(interval)).pong_timeout(interval);
    smol::block_on(async {
        let listener = TcpListener::bind(options.addr).await?;
        println!("listening on ws://{}/", listener.local_addr()?);
        loop {
            let serving = serve(listener.accept().await?.0, config.clone());
            smol::spawn(async {
                if let Err(error) = serving.await {
                    eprintln!("connection: {}", ErrorChain(&error));
                }
            })
            .detach();
        }
    })
}

async fn serve(mut stream: TcpStream, config: ServerConfig) -> io::Result<()> {
    let timeouts = config.timeouts();
    let handshake_deadline = Instant::now() + timeouts.handshake;
    let mut keepalive: Option<Keepalive> = None;
    let mut driver = Driver::server(config);
    let mut buffer = vec![0; 16 * 1024];
    loop {
        while let Some(event) = driver.poll_event() {
            match event {
                Event::Connect => driver.start().map_err(io::Error::other)?,
                Event::Open => keepalive = driver.version().map(|version| Keepalive::new(version, Instant::now())),
                Event::Message(message) => driver.send(message).map_err(io::Error::other)?,
                Event::Close(close) => println!("close: {}", close.code),
                _ => {}
            }
        }
        // While something waits to be written, nothing is read.
        let wants_write = driver.output().has_remaining();
        if driver.is_closed() && !wants_write {
            return stream.shutdown(std::net::Shutdown::Write);
        }
        let now = Instant::now();
        let timer = match &mut keepalive {
            Some(keepalive) => keepalive.poll(&timeouts, now),
            None if now < handshake_deadline => TimerEvent::At(handshake_deadline),
            None => TimerEvent::Expired(Timeout::Handshake),
        };
        let timer = match timer {
            TimerEvent::At(instant) => Timer::at(instant),
            TimerEvent::Ping => {
                driver.send_ping("").map_err(io::Error::other)?;
                continue;
            }
            TimerEvent::Expired(timeout) => {
                driver.expire(timeout);
                continue;
            }
            _ => Timer::never(),
        };
        if wants_write {
            if let Some(written) = unless(timer, stream.write(driver.output().chunk())).await? {
                driver.output().advance(written);
            }
        } else if let Some(read) = unless(timer, stream.read(&mut buffer)).await? {
            if let Some(keepalive) = &mut keepalive {
                keepalive.on_receive(Instant::now());
            }
            match read {
                0 => driver.receive_eof(),
                read => driver.receive(&buffer[..read]),
            }
        }
    }
}

/// Returns nothing if the timer is first. On a runtime of readiness, as smol is, the future can be
/// dropped then.
async fn unless<T>(timer: Timer, future: impl Future<Output = io::Result<T>>) -> io::Result<Option<T>> {
    let timer = async {
        timer.await;
        Ok(None)
    };
    or(async { future.await.map(Some) }, timer).await
}
