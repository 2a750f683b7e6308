//! fastwebsockets, as in its example `echo_server`, which its benchmarks use. It can neither write
//! several frames at once nor compress.

use std::error::Error;

use fastwebsockets::{FragmentCollector, OpCode, WebSocketError, upgrade};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::task::unconstrained;
use websocket_bench::server::{self, MAX_MESSAGE, Mode, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read();
    if options.mode != Mode::Plain {
        return options.mode.refuse();
    }
    server::run(&options, |listener| {
        server::connections(listener, async |stream| {
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
            let _ = connection.with_upgrades().await;
        })
    })
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, upgrade) = upgrade::upgrade(&mut request)?;
    tokio::spawn(unconstrained(async move {
        let _ = echo(upgrade).await;
    }));
    Ok(response)
}

async fn echo(upgrade: upgrade::UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = upgrade.await?;
    socket.set_max_message_size(MAX_MESSAGE);
    let mut socket = FragmentCollector::new(socket);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            _ => {}
        }
    }
}
