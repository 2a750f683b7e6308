//! WebSockets over a Unix socket, as between a proxy and an application on one machine: a server
//! and a client. Both take any `AsyncRead + AsyncWrite` in the same way.
//!
//! ```text
//! cargo run --release --example unix_socket -- serve /run/app.sock
//! cargo run --release --example unix_socket -- send /run/app.sock hello
//! ```

#![cfg_attr(not(unix), allow(dead_code, unused_imports))]

#[path = "error_chain/mod.rs"]
mod error_chain;

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};
use tower_websocket::{CloseCode, Config, accept, connect};

use self::error_chain::ErrorChain;

/// Serves an echo at a Unix socket, or sends texts to one.
#[derive(Debug, Parser)]
#[command(name = "unix_socket")]
enum Options {
    /// Echo every message.
    Serve {
        /// Where to create the socket.
        path: PathBuf,
    },
    /// Send texts, and print an answer to each.
    Send {
        /// The socket.
        path: PathBuf,
        /// The texts.
        texts: Vec<String>,
    },
}

#[cfg(not(unix))]
fn main() -> ExitCode {
    eprintln!("unix_socket: this system has no Unix sockets in tokio");
    ExitCode::FAILURE
}

#[cfg(unix)]
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let result = match Options::parse() {
        Options::Serve { path } => serve(&path).await,
        Options::Send { path, texts } => send(&path, texts).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("unix_socket: {}", ErrorChain(&*error));
            ExitCode::FAILURE
        }
    }
}

#[cfg(unix)]
async fn serve(path: &Path) -> Result<(), Box<dyn Error>> {
    // A socket outlives its server. It is replaced only if nobody listens.
    if UnixStream::connect(path).await.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    println!("listening on {}", path.display());
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            match accept(stream, Config::server()).await {
                Ok(mut socket) => {
                    while let Some(Ok(message)) = socket.recv().await {
                        if socket.send(message).await.is_err() {
                            break;
                        }
                    }
                }
                Err(error) => eprintln!("no WebSocket: {}", ErrorChain(&error)),
            }
        });
    }
}

#[cfg(unix)]
async fn send(path: &Path, texts: Vec<String>) -> Result<(), Box<dyn Error>> {
    let stream = UnixStream::connect(path).await?;
    // The host goes into the request and nowhere else.
    let (mut socket, _response) = connect("ws://localhost/").over(stream).await?;
    for text in texts {
        socket.send(text).await?;
        match socket.recv().await {
            Some(message) => println!("{}", message?.to_text()?),
            None => break,
        }
    }
    Ok(socket.close(CloseCode::NORMAL, "").await?)
}
