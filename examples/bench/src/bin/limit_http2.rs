//! The baseline for HTTP/2: an echo of the data of each stream. Its cost is that of the kernel,
//! tokio and h2.

use std::error::Error;

use websocket_bench::baseline;
use websocket_bench::server::{self, Mode, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read();
    if options.mode != Mode::Plain {
        return options.mode.refuse();
    }
    server::run(&options, |listener| {
        server::connections(listener, async |stream| {
            let _ = baseline::serve_http2(stream).await;
        })
    })
}
