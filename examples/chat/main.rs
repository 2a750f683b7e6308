//! A chat room in one process: open the page it names in two browser tabs.
//!
//! ```text
//! cargo run --release --example chat
//! ```

mod room;
#[path = "../serve/mod.rs"]
mod serve;

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::Version;
use axum::response::{Html, Response};
use axum::routing::{any, get};
use axum_websocket::{CloseCode, Config, Shutdown, WebSocketUpgrade};
use clap::Parser;
use tokio::net::TcpListener;

use self::room::Room;

/// Serves a page with a chat room over WebSockets of every version.
#[derive(Debug, Parser)]
#[command(name = "chat")]
struct Options {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:3000")]
    addr: SocketAddr,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let shutdown = Shutdown::new();
    let app = Router::new()
        .route("/", get(|| async { Html(include_str!("index.html")) }))
        .route("/chat", any(chat))
        .with_state((Arc::new(Room::new()), shutdown.clone()));

    // Listened for from the start, so that no signal is missed.
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let listener = tokio::select! {
        result = &mut interrupted => return Ok(result?),
        listener = TcpListener::bind(options.addr) => listener?,
    };
    println!("http://{}/", listener.local_addr()?);
    println!("Open it in two tabs to chat. Ctrl-C ends it.");
    tokio::select! {
        () = serve::serve(listener, app) => {}
        result = interrupted => result?,
    }
    shutdown.begin(CloseCode::GOING_AWAY, "the server is going down")?;
    shutdown.wait(Duration::from_secs(3)).await;
    Ok(())
}

type Shared = (Arc<Room>, Shutdown);

async fn chat(State((room, shutdown)): State<Shared>, version: Version, ws: WebSocketUpgrade) -> Response {
    ws.config(Config::server().allow_drafts(true).max_message_size(16 * 1024))
        .shutdown(&shutdown)
        .on_upgrade(move |socket| room.join(socket, version))
}
