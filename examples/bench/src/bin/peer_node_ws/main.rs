//! `ws` on Node.js, as in its README. This program only prepares the process and becomes Node.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Parser;
use websocket_bench::process::settle;
use websocket_bench::server::{self, Mode};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/peer_node_ws/echo.js");

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    server: server::Options,
    /// Print the versions of ws and Node.js, or fail if one is missing.
    #[arg(long)]
    check: bool,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = Arguments::parse();
    let mut node = Command::new("node");
    node.env("NODE_PATH", node_path()?);
    if options.check {
        return Ok(match versions(node) {
            Ok(versions) => {
                print!("{versions}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        });
    }
    if options.server.mode != Mode::Stream {
        options.server.mode.refuse()?;
    }
    settle(options.server.core)?;
    let addr = options.server.addr;
    // Keeps the processor and the signal at the end of the parent.
    Err(node.args([SCRIPT, &addr.ip().to_string(), &addr.port().to_string()]).exec().into())
}

fn versions(mut node: Command) -> Result<String, String> {
    let output = node.args(["-p", "`${require('ws/package.json').version}, Node.js ${process.version}`"]).output();
    let output = output.map_err(|error| format!("cannot start node: {error}"))?;
    if !output.status.success() {
        return Err("Node.js does not find the package ws: run `tests/interop/run client` or set NODE_PATH".into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Returns the folders in which Node.js finds packages: the one of `tests/interop/run`, below the
/// folder of cargo's output, and those of the environment.
fn node_path() -> io::Result<OsString> {
    let program = env::current_exe()?;
    let installed = program.ancestors().nth(2).unwrap_or_else(|| Path::new("")).join("interop/node/node_modules");
    let own = env::var_os("NODE_PATH").unwrap_or_default();
    let all: Vec<PathBuf> = std::iter::once(installed).chain(env::split_paths(&own)).collect();
    env::join_paths(all).map_err(io::Error::other)
}
