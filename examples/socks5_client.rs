//! A client through a SOCKS5 proxy (RFC 1928), such as Tor or `ssh -D`, by a connector of
//! hyper-util. Any other Tower service that connects to a URI is used the same way.
//!
//! ```text
//! cargo run --release --example socks5_client -- --proxy socks5://127.0.0.1:1080 ws://example.com/ hello
//! ```

#[path = "error_chain/mod.rs"]
mod error_chain;

use std::error::Error;
use std::process::ExitCode;

use axum::http::Uri;
use clap::Parser;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::SocksV5;
use tower_websocket::{CloseCode, connect};

use self::error_chain::ErrorChain;

/// Sends texts through a SOCKS5 proxy, and prints an answer to each.
#[derive(Debug, Parser)]
#[command(name = "socks5_client")]
struct Options {
    /// The proxy.
    #[arg(long, default_value = "socks5://127.0.0.1:1080")]
    proxy: Uri,
    /// The user at the proxy (RFC 1929).
    #[arg(long, requires = "password")]
    user: Option<String>,
    /// The user's password.
    #[arg(long, requires = "user")]
    password: Option<String>,
    /// The server: ws: or wss:. The proxy resolves its name.
    url: String,
    /// The texts.
    texts: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("socks5_client: {}", ErrorChain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    // The URI of the proxy is not `http:`.
    tcp.enforce_http(false);
    let mut socks = SocksV5::new(options.proxy, tcp);
    if let (Some(user), Some(password)) = (options.user, options.password) {
        socks = socks.with_auth(user, password);
    }
    // TLS, if the URL is `wss:`, starts after the proxy has connected.
    let (mut socket, _response) = connect(options.url).connector(socks).await?;
    for text in options.texts {
        socket.send(text).await?;
        match socket.recv().await {
            Some(message) => println!("{}", message?.to_text()?),
            None => break,
        }
    }
    Ok(socket.close(CloseCode::NORMAL, "").await?)
}
