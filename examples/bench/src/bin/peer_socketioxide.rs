//! socketioxide: a room of Socket.IO, as in its documentation, behind axum.

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use socketioxide::SocketIo;
use socketioxide::extract::{Data, SocketRef};
use websocket_bench::server::{self, Mode, Options};

/// The room that all sockets join.
const ROOM: &str = "room";

/// Longer than any run, as the load generator answers only the ping at the beginning of a session.
const PING_INTERVAL: Duration = Duration::from_secs(3600);

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read();
    if options.mode != Mode::Broadcast {
        return options.mode.refuse();
    }
    server::run(&options, |listener| async {
        let (layer, io) = SocketIo::builder().ping_interval(PING_INTERVAL).build_layer();
        io.ns("/", async |socket: SocketRef| {
            socket.join(ROOM);
            socket.on("m", async |socket: SocketRef, Data::<String>(text)| {
                // Fails if the buffer of any member is full. The others receive it.
                let _ = socket.within(ROOM).emit("m", &text).await;
            });
        });
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, Router::new().layer(layer)).await
    })
}
