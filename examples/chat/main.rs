//! Chat rooms: open the printed URL in two browser tabs. Each path is a room, such as `/room/tea`.
//!
//! ```text
//! cargo run --release --example chat
//! ```
//!
//! With `--redis URL` or `--nats URL`, the process is one of several nodes that share their rooms:
//! see `examples/cluster`.

mod engine;
#[path = "../error_chain/mod.rs"]
mod error_chain;
mod people;
mod protocol;
mod rooms;
#[path = "../serve/mod.rs"]
mod serve;

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, Version};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get};
use axum_websocket::{CloseCode, Config, Shutdown, WebSocketUpgrade};
use clap::Parser;
use tokio::net::TcpListener;

use self::engine::Engine;
use self::error_chain::ErrorChain;
use self::rooms::{Entrance, Rooms};

/// The room of the page at `/`.
const DEFAULT_ROOM: &str = "lobby";

/// Serves a page with chat rooms over WebSockets of every version.
#[derive(Debug, Parser)]
#[command(name = "chat")]
struct Options {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:3000")]
    addr: SocketAddr,
    #[command(flatten)]
    engine: Engine,
    /// The name of this node, which the page shows.
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {}", ErrorChain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let shutdown = Shutdown::new();
    let rooms = Arc::new(Rooms::new(&options.engine, options.node).await?);
    let page = || async { Html(include_str!("index.html")) };
    let app = Router::new()
        .route("/", get(page))
        .route("/room/{room}", get(page))
        .route("/chat", any(chat))
        .route("/chat/{room}", any(chat))
        .with_state((rooms, shutdown.clone()));

    // Installed at the start, so that no signal is missed.
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let listener = tokio::select! {
        result = &mut interrupted => return Ok(result?),
        listener = TcpListener::bind(options.addr) => listener?,
    };
    println!("http://{}/", listener.local_addr()?);
    println!("Open it in two tabs to chat. Press Ctrl-C to stop.");
    tokio::select! {
        () = serve::serve(listener, app) => {}
        result = interrupted => result?,
    }
    shutdown.begin(CloseCode::GOING_AWAY, "server is shutting down")?;
    shutdown.wait(Duration::from_secs(3)).await;
    Ok(())
}

type Shared = (Arc<Rooms>, Shutdown);

async fn chat(
    State((rooms, shutdown)): State<Shared>,
    room: Option<Path<String>>,
    version: Version,
    uri: Uri,
    ws: WebSocketUpgrade,
) -> Response {
    let room = room.map_or_else(|| DEFAULT_ROOM.to_owned(), |Path(room)| room);
    if !Rooms::is_name(&room) {
        return (StatusCode::NOT_FOUND, "no such room").into_response();
    }
    let entrance = Entrance { room, http: version, since: protocol::since(&uri) };
    ws.config(Config::server().allow_drafts(true).max_message_size(16 * 1024))
        .shutdown(&shutdown)
        .on_upgrade(move |socket| async move { rooms.serve(socket, entrance).await })
}
