//! tokio-websockets, as in its example `echo_server`, which its benchmarks use.

use std::error::Error;

use tokio_websockets::{Config, Limits, Message, ServerBuilder};
use websocket_bench::echo;
use websocket_bench::server::{self, Mode, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read();
    // As in its example, each message is one frame, whatever its size.
    let config = Config::default().frame_size(usize::MAX);
    let (batched, config) = match options.mode {
        Mode::Plain => (false, config),
        // Otherwise it writes after every 8 KiB.
        Mode::Batched => (true, config.flush_threshold(64 * 1024)),
        mode => return mode.refuse(),
    };
    server::run(&options, |listener| {
        server::connections(listener, move |stream| async move {
            let builder = ServerBuilder::new().config(config).limits(Limits::unlimited());
            match builder.accept(stream).await {
                Ok((_request, socket)) if batched => echo::batched(socket, is_data).await,
                Ok((_request, socket)) => echo::plain(socket, is_data).await,
                Err(_) => {}
            }
        })
    })
}

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}
