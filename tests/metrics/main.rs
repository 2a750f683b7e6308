//! The example `metrics`, run as a program: what it reports to Prometheus.
//!
//! `cargo test --workspace` builds it. With `-p websocket-tests` alone, build it before, and after
//! each change: `cargo build --example metrics`.

mod dashboard;
mod exposition;
mod program;

use std::time::{Duration, Instant};

use tower_websocket::{CloseCode, Config, connect};

use crate::exposition::Exposition;
use crate::program::Program;

/// Scrapes until the condition holds.
async fn scrape_until(program: &Program, is_so: impl Fn(&Exposition) -> bool) -> Exposition {
    let limit = Instant::now() + Duration::from_secs(10);
    loop {
        let exposition = Exposition::parse(&program.scrape("/metrics"));
        if is_so(&exposition) {
            return exposition;
        }
        assert!(Instant::now() < limit, "{exposition:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn client_activity_is_counted() {
    let program = Program::start();
    let before = Exposition::parse(&program.scrape("/metrics"));
    assert_eq!(before.value("websocket_connections_open"), 0.0);
    assert_eq!(before.value("websocket_refused_total"), 0.0);
    assert_eq!(before.value(r#"websocket_messages_total{direction="received"}"#), 0.0);
    assert_eq!(before.value("websocket_round_trip_seconds_count"), 0.0);

    let (mut socket, _) = connect(program.url("/echo")).config(Config::client()).await.unwrap();
    for text in ["", "one", "three"] {
        socket.send(text).await.unwrap();
        assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some(text));
    }
    // The pings are answered while it receives.
    let waited = tokio::time::timeout(Duration::from_millis(300), socket.recv()).await;
    assert!(waited.is_err());
    let open = scrape_until(&program, |scraped| scraped.value("websocket_round_trip_seconds_count") > 0.0).await;
    assert_eq!(open.value(r#"websocket_connections_opened_total{version="hybi-13"}"#), 1.0);
    assert_eq!(open.value("websocket_connections_open"), 1.0);
    for direction in ["received", "sent"] {
        assert_eq!(open.value(&format!(r#"websocket_messages_total{{direction="{direction}"}}"#)), 3.0);
        assert_eq!(open.value(&format!(r#"websocket_payload_bytes_total{{direction="{direction}"}}"#)), 8.0);
    }
    // Headers of 2 bytes, masking keys of 4, and pings.
    assert!(open.value(r#"websocket_wire_bytes_total{direction="received"}"#) > 8.0 + 3.0 * 6.0);
    assert!(open.value(r#"websocket_wire_bytes_total{direction="sent"}"#) > 8.0 + 3.0 * 2.0);

    socket.close(CloseCode::NORMAL, "").await.unwrap();
    let (abandoned, _) = connect(program.url("/echo")).await.unwrap();
    drop(abandoned);
    // The server may open the second after the first has closed, so that none is open in between.
    let are_closed = |scraped: &Exposition| {
        let closed: f64 = scraped.values("websocket_closed_total").iter().sum();
        (closed, scraped.value("websocket_connections_open")) == (2.0, 0.0)
    };
    let closed = scrape_until(&program, are_closed).await;
    assert_eq!(closed.value(r#"websocket_closed_total{cause="remote"}"#), 1.0);
    assert_eq!(closed.values("websocket_closed_total").len(), 2);
    assert_eq!(dashboard::metrics(), closed.names());
}

#[tokio::test]
async fn invalid_handshake_is_counted_as_refused() {
    let program = Program::start();
    let answer = program.ask("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 99\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    let scraped = Exposition::parse(&program.scrape("/metrics"));
    assert_eq!(scraped.value("websocket_refused_total"), 1.0);
}
