//! The 8 bytes after a hixie-76 request, however they arrive (draft-hixie-76 §5.2).

use std::time::{Duration, Instant};

use tower_websocket::{ServerConfig, Version};
use websocket_tests::wire::{HIXIE76_BODY, hixie_text};

use crate::client::{Client, Opening};
use crate::run::run;
use crate::stacks::{Seen, Server, Stack, config};
use crate::wire::Wire;

/// How the request declares them.
#[derive(Debug, Clone, Copy)]
enum Framing {
    /// Not declared, as specified.
    Bare,
    /// With `Content-Length: 8`, as some proxies need it.
    Length,
    /// As a body of unknown length.
    Chunked,
}

/// When they arrive.
#[derive(Debug, Clone, Copy)]
enum Arrival {
    SamePacket,
    Later,
    ByteByByte,
    /// Some proxies hold them back until they have seen the response.
    AfterHead,
}

const ARRIVALS: [Arrival; 4] = [Arrival::SamePacket, Arrival::Later, Arrival::ByteByByte, Arrival::AfterHead];

impl Framing {
    fn opening(self, server: &Server) -> Opening {
        let mut opening = server.opening(Version::Hixie76);
        opening.handshake = match self {
            Self::Bare => opening.handshake,
            Self::Length => opening.handshake.with("Content-Length", "8"),
            Self::Chunked => opening.handshake.with("Transfer-Encoding", "chunked"),
        };
        opening
    }

    fn body(self) -> Vec<u8> {
        match self {
            Self::Bare | Self::Length => HIXIE76_BODY.to_vec(),
            Self::Chunked => [b"8\r\n", &HIXIE76_BODY[..], b"\r\n0\r\n\r\n"].concat(),
        }
    }
}

/// Opens a connection with the 8 bytes and whatever follows them.
async fn open(server: &Server, framing: Framing, arrival: Arrival, behind: &[u8]) -> Client {
    let opening = framing.opening(server);
    let mut wire = server.connect().await;
    let (head, body) = (opening.handshake.head(), [framing.body(), behind.to_vec()].concat());
    match arrival {
        Arrival::SamePacket => wire.write([head, body].concat()).await,
        Arrival::Later => {
            wire.write(head).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            wire.write(body).await;
        }
        Arrival::ByteByByte => {
            wire.write(head).await;
            for byte in body {
                wire.write([byte]).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        Arrival::AfterHead => {
            wire.write(head).await;
            opening.confirm_head(&mut wire).await;
            wire.write(body).await;
            opening.confirm_digest(&mut wire).await;
            return Client { wire, version: Version::Hixie76 };
        }
    }
    opening.confirmed(wire).await
}

async fn serves(stacks: &[Stack], framing: Framing) {
    for stack in stacks {
        let server = stack.serve(config()).await;
        for arrival in ARRIVALS {
            println!("{framing:?} {arrival:?}");
            let mut client = open(&server, framing, arrival, b"").await;
            client.echo(&["hello", "there"]).await;
            client.close().await;

            let glued = [hixie_text("first"), hixie_text("second")].concat();
            let mut client = open(&server, framing, arrival, &glued).await;
            assert_eq!(client.text().await, "first");
            assert_eq!(client.text().await, "second");
            client.echo(&["third"]).await;
            client.close().await;
        }
    }
}

/// Expects a 400 with this reason.
async fn refuses(stack: Stack, config: ServerConfig, framing: Framing, reason: &str) {
    let server = stack.serve(config).await;
    for arrival in ARRIVALS {
        println!("{framing:?} {arrival:?}");
        let handshake = framing.opening(&server).handshake;
        let mut wire = server.connect().await;
        wire.write(handshake.head()).await;
        if let Arrival::SamePacket | Arrival::Later = arrival {
            // The server may be gone.
            let _ = wire.try_write(framing.body()).await;
        }
        let (answer, body) = wire.response().await;
        assert_eq!(answer.status, 400);
        assert!(body.contains(reason) && body.trim_end().lines().count() == 1, "{body:?}");
    }
}

#[test]
fn every_stack_accepts_the_8_bytes_however_they_arrive() {
    run(async || serves(&Stack::ALL, Framing::Bare).await);
}

#[test]
fn layer_and_bare_tcp_accept_the_8_bytes_as_a_body_of_declared_length() {
    run(async || {
        serves(&Stack::LAYERS, Framing::Length).await;
        serves(&[Stack::Tcp], Framing::Length).await;
    });
}

#[test]
fn layer_accepts_the_8_bytes_as_a_chunked_body() {
    run(async || serves(&Stack::LAYERS, Framing::Chunked).await);
}

#[test]
fn extractor_refuses_a_declared_body_with_a_reason() {
    run(async || {
        for framing in [Framing::Length, Framing::Chunked] {
            refuses(Stack::Axum, config(), framing, "declared body").await;
        }
    });
}

#[test]
fn bare_tcp_refuses_a_chunked_body() {
    run(async || refuses(Stack::Tcp, config(), Framing::Chunked, "body").await);
}

#[test]
fn body_of_another_declared_length_is_refused() {
    run(async || {
        for stack in Stack::ALL {
            let server = stack.serve(config()).await;
            for length in ["7", "9", "16"] {
                let handshake = server.opening(Version::Hixie76).handshake.with("Content-Length", length);
                let mut wire = server.connect().await;
                wire.write(handshake.head()).await;
                assert_eq!(wire.response().await.0.status, 400);
            }
        }
    });
}

#[test]
fn chunked_body_of_another_length_opens_nothing() {
    run(async || {
        for stack in Stack::LAYERS {
            let mut server = stack.serve(config()).await;
            let opening = Framing::Chunked.opening(&server);
            let mut wire = server.connect().await;
            wire.write([&opening.handshake.head()[..], b"9\r\n123456789\r\n0\r\n\r\n"].concat()).await;
            opening.confirm_head(&mut wire).await;
            assert_eq!(server.seen().await, Seen::Failed("hixie-76 request body is not 8 bytes long".into()));
            ends(wire).await;
        }
    });
}

#[test]
fn client_without_its_8_bytes_is_timed_out() {
    run(async || {
        for stack in Stack::ALL {
            never(stack, Framing::Bare, b"").await;
            never(stack, Framing::Bare, b"seven b").await;
        }
    });
}

#[test]
fn client_without_its_declared_body_is_timed_out() {
    run(async || {
        for stack in Stack::LAYERS {
            for framing in [Framing::Length, Framing::Chunked] {
                never(stack, framing, b"").await;
            }
            never(stack, Framing::Length, b"seven b").await;
            never(stack, Framing::Chunked, b"8\r\nseven b").await;
        }
        never(Stack::Tcp, Framing::Length, b"seven b").await;
    });
}

async fn never(stack: Stack, framing: Framing, beginning: &[u8]) {
    const LIMIT: Duration = Duration::from_millis(100);
    println!("{framing:?} {beginning:?}");
    let mut server = stack.serve(config().handshake_timeout(LIMIT)).await;
    let opening = framing.opening(&server);
    let mut wire = server.connect().await;
    let start = Instant::now();
    wire.write([&opening.handshake.head()[..], beginning].concat()).await;
    opening.confirm_head(&mut wire).await;
    assert_eq!(server.seen().await, Seen::Failed("handshake timed out".into()));
    assert!(start.elapsed() >= LIMIT);
    ends(wire).await;
}

/// Expects that the server drops the connection. A client that timed out is not owed an orderly
/// end.
async fn ends(mut wire: Wire) {
    assert_eq!(wire.any_end().await, b"");
}
