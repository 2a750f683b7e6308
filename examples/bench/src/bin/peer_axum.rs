//! axum's own WebSockets, as in its documentation: tokio-tungstenite behind hyper.

use std::error::Error;
use std::io;

use axum::Router;
use axum::extract::ws::{Message, Utf8Bytes, WebSocketUpgrade};
use axum::routing::any;
use axum::serve::ListenerExt;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use websocket_bench::echo;
use websocket_bench::server::{self, BACKLOG, MAX_MESSAGE, Mode, Options, SMALL_BUFFER};
use websocket_bench::tls;

/// Its default, which its documentation recommends for high load.
const READ_BUFFER: usize = 128 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read();
    match options.mode {
        Mode::Plain => serve(&options, false, READ_BUFFER),
        Mode::Batched => serve(&options, true, READ_BUFFER),
        Mode::Small => serve(&options, false, SMALL_BUFFER),
        Mode::Broadcast => server::run(&options, say_to_all),
        mode => mode.refuse(),
    }
}

/// As in its example `chat`: the socket is split, one task sends what it receives from a tokio
/// channel, and another one receives messages.
async fn say_to_all(listener: TcpListener) -> io::Result<()> {
    let room = broadcast::channel::<Utf8Bytes>(BACKLOG).0;
    let upgrade = move |ws: WebSocketUpgrade| async move {
        ws.on_upgrade(move |socket| async move {
            let (mut sender, mut receiver) = socket.split();
            let mut said = room.subscribe();
            let mut sending = tokio::spawn(async move {
                while let Ok(text) = said.recv().await {
                    if sender.send(Message::Text(text)).await.is_err() {
                        break;
                    }
                }
            });
            let mut receiving = tokio::spawn(async move {
                while let Some(Ok(Message::Text(text))) = receiver.next().await {
                    let _ = room.send(text);
                }
            });
            tokio::select! {
                _ = &mut sending => receiving.abort(),
                _ = &mut receiving => sending.abort(),
            }
        })
    };
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, Router::new().route("/", any(upgrade))).await
}

fn serve(options: &Options, batched: bool, read_buffer: usize) -> Result<(), Box<dyn Error>> {
    let upgrade = move |ws: WebSocketUpgrade| async move {
        let ws = ws.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE).read_buffer_size(read_buffer);
        ws.on_upgrade(move |socket| async move {
            if batched { echo::batched(socket, is_data).await } else { echo::plain(socket, is_data).await }
        })
    };
    let app = Router::new().route("/", any(upgrade));
    if options.tls {
        let acceptor = tls::acceptor()?;
        return server::run(options, |listener| tls::serve_axum(listener, acceptor, app));
    }
    server::run(options, |listener| async {
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, app).await
    })
}

fn is_data(message: &Message) -> bool {
    matches!(message, Message::Text(_) | Message::Binary(_))
}
