//! The agent for the fuzzing server of the Autobahn test suite: runs all its cases with
//! permessage-deflate.
//!
//! ```text
//! cargo run --release --example autobahn_client -- ws://127.0.0.1:9001
//! ```

#[path = "error_chain/mod.rs"]
mod error_chain;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use permessage_deflate::PermessageDeflate;
use tower_websocket::{Config, connect};

use self::error_chain::ErrorChain;

/// Runs all cases of an Autobahn fuzzing server.
#[derive(Debug, Parser)]
#[command(name = "autobahn_client")]
struct Options {
    /// URL of the fuzzing server.
    #[arg(default_value = "ws://127.0.0.1:9001")]
    url: String,
    /// Name in the report.
    #[arg(long, default_value = "tower-websocket")]
    agent: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("autobahn_client: {}", ErrorChain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(Options { url, agent }: Options) -> Result<(), Box<dyn Error>> {
    let url = url.trim_end_matches('/');
    let config = Config::client().extension(PermessageDeflate::new())?;

    let (mut socket, _) = connect(format!("{url}/getCaseCount")).await?;
    let count = socket.recv().await.ok_or("no number of cases received")??;
    let count: u32 = count.as_text().ok_or("number of cases is not a text message")?.parse()?;
    for case in 1..=count {
        let (mut socket, _) =
            connect(format!("{url}/runCase?case={case}&agent={agent}")).config(config.clone()).await?;
        // Most cases end with an error, as intended.
        while let Some(Ok(message)) = socket.recv().await {
            if socket.send(message).await.is_err() {
                break;
            }
        }
    }
    let (mut socket, _) = connect(format!("{url}/updateReports?agent={agent}")).await?;
    while let Some(message) = socket.recv().await {
        message?;
    }
    println!("{count} cases were run");
    Ok(())
}
