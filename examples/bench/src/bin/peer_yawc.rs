//! yawc, with the settings of the benchmarks in its README: a read buffer of 128 KiB and a write
//! boundary of 64 KiB. UTF-8 validation, which is off by default, is enabled, as the others
//! validate.

use std::error::Error;

use futures_util::{FutureExt, SinkExt};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::task::unconstrained;
use websocket_bench::echo::BATCH;
use websocket_bench::server::{self, MAX_MESSAGE, Mode};
use yawc::{CompressionLevel, OpCode, Options, UpgradeFut, WebSocket};

fn main() -> Result<(), Box<dyn Error>> {
    let options = server::Options::read();
    let socket = Options::default()
        .with_limits(MAX_MESSAGE, 2 * MAX_MESSAGE)
        .with_utf8()
        .with_read_buffer_capacity(128 * 1024)
        .with_backpressure_boundary(64 * 1024);
    let (batched, socket) = match options.mode {
        Mode::Plain => (false, socket.without_compression()),
        Mode::Batched => (true, socket.without_compression()),
        Mode::Deflate => {
            let socket = socket.with_compression_level(CompressionLevel::default());
            (false, socket.server_no_context_takeover().client_no_context_takeover())
        }
        Mode::Takeover => (false, socket.with_compression_level(CompressionLevel::default())),
        mode => return mode.refuse(),
    };
    server::run(&options, |listener| {
        server::connections(listener, move |stream| {
            let socket = socket.clone();
            let service = service_fn(move |mut request: Request<Incoming>| {
                let upgrade = WebSocket::upgrade_with_options(&mut request, socket.clone());
                async move {
                    let (response, upgrade) = upgrade?;
                    tokio::spawn(unconstrained(async move {
                        let _ = echo(upgrade, batched).await;
                    }));
                    Ok::<_, yawc::WebSocketError>(response)
                }
            });
            async move {
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
            }
        })
    })
}

/// Its stream yields frames instead of results, so it cannot use the shared loops.
async fn echo(upgrade: UpgradeFut, batched: bool) -> yawc::Result<()> {
    let mut socket = upgrade.await?;
    loop {
        let frame = socket.next_frame().await?;
        if !is_data(frame.opcode()) {
            continue;
        }
        if !batched {
            socket.send(frame).await?;
            continue;
        }
        socket.feed(frame).await?;
        let mut fed = 1;
        while fed < BATCH
            && let Some(frame) = socket.next_frame().now_or_never()
        {
            let frame = frame?;
            if is_data(frame.opcode()) {
                socket.feed(frame).await?;
                fed += 1;
            }
        }
        socket.flush().await?;
    }
}

fn is_data(opcode: OpCode) -> bool {
    matches!(opcode, OpCode::Text | OpCode::Binary)
}
