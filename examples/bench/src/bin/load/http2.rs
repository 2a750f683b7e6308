//! Echo over streams of HTTP/2, each of which is a WebSocket (RFC 8441). The streams are those of
//! the crate h2; the frames within them are encoded in advance, as on TCP.

use std::cell::RefCell;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use h2::client::{Builder, SendRequest};
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{Method, Request, StatusCode, Version};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};
use websocket_bench::measurement::Measurement;

use crate::plan::{Plan, Progress};
use crate::window::Window;
use crate::{Options, PATIENCE, connect};

/// The flow-control window of a stream: more than a batch. Servers wait for no other limit than
/// their own.
const WINDOW: u32 = 16 << 20;

/// The largest window (RFC 9113 §6.9.1).
const MAX_WINDOW: u32 = (1 << 31) - 1;

pub(crate) struct Http2 {
    runtime: Runtime,
    plans: Vec<Plan>,
    batches: Vec<Bytes>,
    sockets: Vec<Socket>,
}

struct Socket {
    sender: SendStream<Bytes>,
    receiver: RecvStream,
    plan: usize,
    progress: Progress,
}

/// The state of a measurement.
struct State<'a> {
    plans: &'a mut [Plan],
    window: Window,
    received: u64,
    measured: Option<Measurement>,
}

impl Http2 {
    /// Opens the connections and their streams.
    pub(crate) fn open(options: &Options) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let plans = Plan::all(options)?;
        // Without compression, all batches of a plan are the same.
        let batches = plans.iter().map(|plan| Bytes::copy_from_slice(plan.batch(1))).collect();
        let opening = async {
            let mut sockets = Vec::new();
            for number in 0..options.connections {
                let mut connection = connection(options, number).await?;
                for _ in 0..options.streams.unwrap_or(1) {
                    sockets.push(Socket::open(&mut connection, sockets.len()).await?);
                }
            }
            Ok::<_, String>(sockets)
        };
        let sockets = runtime.block_on(opening)?;
        Ok(Self { runtime, plans, batches, sockets })
    }

    /// Every stream sends a batch, and the next one when all replies have arrived.
    pub(crate) fn echo(&mut self, options: &Options) -> Result<Measurement, String> {
        let window = Window::new(options)?;
        let state = &RefCell::new(State { plans: &mut self.plans, window, received: 0, measured: None });
        let batches = &self.batches[..];
        let sockets = try_join_all(self.sockets.iter_mut().map(|socket| socket.echo(state, batches)));
        self.runtime.block_on(async {
            tokio::select! {
                done = sockets => done.map(drop),
                error = no_data(state) => Err(error),
            }
        })?;
        state.borrow_mut().measured.take().ok_or_else(|| "no streams".into())
    }
}

/// Opens a connection with prior knowledge.
async fn connection(options: &Options, number: usize) -> Result<SendRequest<Bytes>, String> {
    let stream = connect::connect(options.addr, number).and_then(|stream| {
        stream.set_nonblocking(true)?;
        TcpStream::from_std(stream)
    });
    let stream = stream.map_err(|error| format!("connection {number}: {error}"))?;
    let mut builder = Builder::new();
    builder.initial_window_size(WINDOW).initial_connection_window_size(MAX_WINDOW);
    let handshake = async {
        let (mut sender, connection) = builder.handshake(stream).await?;
        tokio::spawn(connection);
        // Known when the settings of the server have arrived.
        while !sender.is_extended_connect_protocol_enabled() {
            sender = sender.ready().await?;
            sleep(Duration::from_millis(1)).await;
        }
        sender.ready().await
    };
    let opened = timeout(PATIENCE, handshake).await;
    let opened = opened.map_err(|_| format!("connection {number}: no extended CONNECT within {PATIENCE:?}"))?;
    opened.map_err(|error: h2::Error| format!("connection {number}: {error}"))
}

impl Socket {
    async fn open(connection: &mut SendRequest<Bytes>, number: usize) -> Result<Self, String> {
        let request = Request::builder()
            .method(Method::CONNECT)
            .version(Version::HTTP_2)
            .uri("http://localhost/")
            .header("sec-websocket-version", "13")
            .extension(Protocol::from_static("websocket"))
            .body(())
            .map_err(|error| error.to_string())?;
        let h2 = |error: h2::Error| format!("stream {number}: {error}");
        let (response, sender) = connection.send_request(request, false).map_err(h2)?;
        let response = timeout(PATIENCE, response).await;
        let response = response.map_err(|_| format!("stream {number}: no response within {PATIENCE:?}"))?;
        let response = response.map_err(h2)?;
        if response.status() != StatusCode::OK {
            return Err(format!("the handshake failed, status is not 200: {response:?}"));
        }
        let receiver = response.into_body();
        Ok(Self { sender, receiver, plan: number, progress: Progress::default() })
    }

    async fn echo(&mut self, state: &RefCell<State<'_>>, batches: &[Bytes]) -> Result<(), String> {
        loop {
            self.plan = (self.plan + 1) % batches.len();
            self.sender.send_data(batches[self.plan].clone(), false).map_err(|error| error.to_string())?;
            loop {
                let data = self.receiver.data().await.ok_or("the server closed a stream")?;
                let data = data.map_err(|error| error.to_string())?;
                let released = self.receiver.flow_control().release_capacity(data.len());
                released.map_err(|error| error.to_string())?;
                let State { plans, received, .. } = &mut *state.borrow_mut();
                let plan = &mut plans[self.plan];
                if plan.check(1, &mut self.progress, &data)? {
                    *received += plan.messages as u64;
                    break;
                }
            }
            let State { window, received, measured, .. } = &mut *state.borrow_mut();
            if measured.is_none() {
                *measured = window.tick(*received)?;
            }
            if measured.is_some() {
                return Ok(());
            }
        }
    }
}

/// Waits until no reply has arrived for some time, and returns the error.
async fn no_data(state: &RefCell<State<'_>>) -> String {
    loop {
        let before = state.borrow().received;
        sleep(PATIENCE).await;
        if state.borrow().received == before {
            return format!("no data within {PATIENCE:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::sync::mpsc;
    use std::thread;

    use clap::Parser;
    use tokio::net::TcpListener;
    use websocket_bench::{baseline, server};

    use super::*;

    #[test]
    fn streams_exchange_messages() -> Result<(), Box<dyn Error>> {
        let (sender, addr) = mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::spawn(move || {
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                sender.send(listener.local_addr()).expect("the test is waiting");
                let echo = async |stream| {
                    let _ = baseline::serve_http2(stream).await;
                };
                server::connections(listener, echo).await
            })
        });
        let (addr, pid) = (addr.recv()??.to_string(), std::process::id().to_string());
        let options = ["load", "echo", "--raw", "--connections", "2", "--streams", "3", "--in-flight", "5"];
        let options = options.into_iter().chain(["--addr", &addr, "--pid", &pid, "--warmup", "0", "--seconds", "0.05"]);
        let options = Options::try_parse_from(options)?;
        let mut sockets = Http2::open(&options)?;
        assert_eq!(sockets.sockets.len(), 6);
        for _ in 0..2 {
            let measured = sockets.echo(&options)?;
            assert!(measured.messages > 0 && measured.messages % 5 == 0, "{measured:?}");
        }
        Ok(())
    }
}
