//! A server that counts WebSocket events and exposes them to Prometheus.
//!
//! ```text
//! cargo run --release --example metrics
//! cargo run --release --example echo_client -- ws://127.0.0.1:9002/echo --count 1000
//! curl http://127.0.0.1:9002/metrics
//! ```

#[path = "serve/mod.rs"]
mod serve;

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Extension, Router};
use axum_websocket::error::ProtocolError;
use axum_websocket::observe::{ConnectionObserver, ConnectionOpened, Observer, Traffic};
use axum_websocket::{CloseCause, Config, WebSocketUpgrade};
use clap::Parser;
use prometheus::{Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};
use tokio::net::TcpListener;

/// Echoes on /echo, and exposes metrics on /metrics.
#[derive(Debug, Parser)]
#[command(name = "metrics")]
struct Options {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:9002")]
    addr: SocketAddr,
    /// Milliseconds of silence after which a peer is pinged, which measures round trips.
    #[arg(long, value_name = "MS", default_value_t = 20_000)]
    ping_interval: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let registry = Registry::new();
    let config = Config::server()
        .allow_drafts(true)
        .ping_interval(Some(Duration::from_millis(options.ping_interval)))
        .observer(Metrics::new(&registry)?);
    // On the router rather than in the handler, so that the observer is also notified of refused
    // handshakes.
    let echo = any(echo).layer(Extension(config));
    let app = Router::new().route("/echo", echo).route("/metrics", get(metrics).with_state(registry));
    let listener = TcpListener::bind(options.addr).await?;
    println!("listening on http://{}/", listener.local_addr()?);
    serve::serve(listener, app).await;
    Ok(())
}

async fn echo(ws: WebSocketUpgrade) -> Response {
    ws.on_upgrade(|mut socket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            if socket.send(message).await.is_err() {
                break;
            }
        }
    })
}

async fn metrics(State(registry): State<Registry>) -> Response {
    let encoder = TextEncoder::new();
    match encoder.encode_to_string(&registry.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// All metrics. Clones share them.
#[derive(Clone)]
struct Metrics {
    opened: IntCounterVec,
    open: IntGauge,
    closed: IntCounterVec,
    refused: IntCounter,
    received: Direction,
    sent: Direction,
    round_trip: Histogram,
}

/// The metrics of one direction.
#[derive(Clone)]
struct Direction {
    messages: IntCounter,
    payload: IntCounter,
    wire: IntCounter,
}

impl Metrics {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counters = |name, help, label| {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counters.clone()))?;
            prometheus::Result::Ok(counters)
        };
        let messages = counters("websocket_messages_total", "Complete messages.", "direction")?;
        let payload =
            counters("websocket_payload_bytes_total", "Uncompressed payload bytes of messages.", "direction")?;
        let wire = counters("websocket_wire_bytes_total", "Bytes of frames, including control frames.", "direction")?;
        let direction_metrics = |direction| Direction {
            messages: messages.with_label_values(&[direction]),
            payload: payload.with_label_values(&[direction]),
            wire: wire.with_label_values(&[direction]),
        };
        // From half a millisecond to 16 s.
        let buckets = prometheus::exponential_buckets(0.0005, 2.0, 16)?;
        let metrics = Self {
            opened: counters("websocket_connections_opened_total", "Connections opened.", "version")?,
            open: IntGauge::new("websocket_connections_open", "Connections open now.")?,
            closed: counters("websocket_closed_total", "Connections ended.", "cause")?,
            refused: IntCounter::new("websocket_refused_total", "Handshakes refused or failed.")?,
            received: direction_metrics("received"),
            sent: direction_metrics("sent"),
            round_trip: Histogram::with_opts(
                HistogramOpts::new("websocket_round_trip_seconds", "Time from a ping to its pong.").buckets(buckets),
            )?,
        };
        registry.register(Box::new(metrics.open.clone()))?;
        registry.register(Box::new(metrics.refused.clone()))?;
        registry.register(Box::new(metrics.round_trip.clone()))?;
        Ok(metrics)
    }
}

impl Observer for Metrics {
    fn opened(&self, opened: &ConnectionOpened<'_>) -> Box<dyn ConnectionObserver> {
        self.opened.with_label_values(&[opened.version.as_str()]).inc();
        self.open.inc();
        // The counters are shared: a clone only increments reference counts.
        Box::new(self.clone())
    }

    fn refused(&self, _: &ProtocolError) {
        self.refused.inc();
    }
}

impl ConnectionObserver for Metrics {
    fn passed(&mut self, traffic: &Traffic) {
        self.received.add(traffic.messages_received, traffic.payload_received, traffic.wire_received);
        self.sent.add(traffic.messages_sent, traffic.payload_sent, traffic.wire_sent);
    }

    fn answered(&mut self, round_trip: Duration) {
        self.round_trip.observe(round_trip.as_secs_f64());
    }

    fn closed(&mut self, cause: &CloseCause) {
        self.open.dec();
        self.closed.with_label_values(&[cause.kind()]).inc();
    }
}

impl Direction {
    fn add(&self, messages: u64, payload: u64, wire: u64) {
        self.messages.inc_by(messages);
        self.payload.inc_by(payload);
        self.wire.inc_by(wire);
    }
}
