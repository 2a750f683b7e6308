//! tokio-tungstenite, as in its examples.

use std::error::Error;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use websocket_bench::echo;
use websocket_bench::server::{self, MAX_MESSAGE, Mode, Options, SMALL_BUFFER};
use websocket_bench::tls;

/// Its default, which its documentation recommends for high load.
const READ_BUFFER: usize = 128 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read();
    let (batched, read_buffer) = match options.mode {
        Mode::Plain => (false, READ_BUFFER),
        Mode::Batched => (true, READ_BUFFER),
        Mode::Small => (false, SMALL_BUFFER),
        mode => return mode.refuse(),
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
        .read_buffer_size(read_buffer);
    if options.tls {
        let acceptor = tls::acceptor()?;
        let serve = move |stream| serve(stream, config, batched);
        return server::run(&options, |listener| tls::tls_connections(listener, acceptor, serve));
    }
    server::run(&options, |listener| server::connections(listener, move |stream| serve(stream, config, batched)))
}

async fn serve<T: AsyncRead + AsyncWrite + Unpin>(stream: T, config: WebSocketConfig, batched: bool) {
    match accept_async_with_config(stream, Some(config)).await {
        Ok(socket) if batched => echo::batched(socket, is_data).await,
        Ok(socket) => echo::plain(socket, is_data).await,
        Err(_) => {}
    }
}

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}
