//! Attacks on a client or by way of its arguments that the other tests do not cover.
//! `tests/threats/README.md` lists all.

use std::convert::Infallible;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::Instant;
use tower::service_fn;
use tower_websocket::client::{Connect, ConnectError};
use tower_websocket::connect;

use crate::certificates::Authority;
use crate::peer::{Peer, serve};
use crate::run::{run, run_paused};

#[test]
fn cve_2026_1527_arguments_cannot_inject_header_lines() {
    run(async || {
        let (sender, mut receiver) = unbounded_channel();
        let port = serve(move |stream| {
            let sender = sender.clone();
            async move { sender.send(Peer::new(stream).any_end().await).expect("the test waits") }
        })
        .await;
        let host = format!("127.0.0.1:{port}");
        let mut tried: Vec<(String, Connect)> = Vec::new();
        for bad in ["\r\n", "\n", "\r", "\0", "\r\nX: y\r\n", "x\r\n\r\nGET / HTTP/1.1"] {
            for place in ["ws://BAD127/", "ws://HOST/BAD", "ws://HOST/?BAD", "ws://uBADser@HOST/", "ws://u:BAD@HOST/"] {
                let url = place.replace("HOST", &host).replace("BAD", bad);
                tried.push((url.clone(), connect(url)));
            }
            let good = || connect(format!("ws://{host}/"));
            tried.push((format!("value {bad}"), good().header("x-own", format!("a{bad}b"))));
            tried.push((format!("name {bad}"), good().header(format!("x{bad}y"), "z")));
            tried.push((format!("subprotocol {bad}"), good().protocols([format!("a{bad}b")])));
        }
        for bad in ["%0d%0a", "%0A", "%0d", "%00", "%0D%0AX:%20y", "%7f"] {
            for user in [bad.to_owned(), format!("u{bad}"), format!("u:{bad}"), format!("u:p{bad}q")] {
                tried.push((format!("user {user}"), connect(format!("ws://{user}@{host}/"))));
                let proxy: Uri = format!("http://{user}@{host}").parse().expect("a URL");
                tried.push((format!("user {user} of a proxy"), connect("ws://example.com/").proxy(proxy)));
            }
        }
        for (what, connect) in tried {
            let error = connect.timeout(Duration::from_secs(2)).await.expect_err(&what);
            assert!(!matches!(error, ConnectError::TimedOut | ConnectError::Io { .. }), "{what:?}: {error:?}");
        }
        // Escapes in a path are decoded by the server, and sent unchanged.
        let refused = connect(format!("ws://{host}/a%0d%0aX:%20y?b%0a")).timeout(Duration::from_secs(1)).await;
        assert!(matches!(refused, Err(ConnectError::TimedOut)), "{refused:?}");
        loop {
            let read = receiver.recv().await.expect("the server runs");
            if !read.is_empty() {
                let head = String::from_utf8(read).expect("a head of text");
                assert!(head.starts_with("GET /a%0d%0aX:%20y?b%0a HTTP/1.1\r\nHost: 127.0.0.1:"), "{head}");
                assert!(!head.contains("\r\nX:"), "{head}");
                break;
            }
        }
    });
}

/// Connects to an in-memory transport whatever the URL, so that the paused clock applies.
fn through_memory(connect: Connect) -> (Connect, Peer) {
    let (io, other) = tokio::io::duplex(4096);
    let mut io = Some(TokioIo::new(io));
    let connector = service_fn(move |_: Uri| {
        let io = io.take().expect("dialled once");
        async { Ok::<_, Infallible>(io) }
    });
    (connect.connector(connector), Peer::new(other))
}

/// Asserts that the default timeout of ten seconds expires, whatever arrives in the meantime.
async fn is_given_up(connect: Connect, slow: impl Future<Output = ()>) {
    let begin = Instant::now();
    let client = async {
        let opened = connect.await;
        assert!(matches!(opened, Err(ConnectError::TimedOut)), "{opened:?}");
        assert_eq!(begin.elapsed().as_secs(), 10);
    };
    tokio::join!(client, slow);
}

#[test]
fn cve_2023_43669_trickling_proxy_does_not_extend_the_timeout() {
    run_paused(async || {
        let answers =
            ["HTTP/1.1 200 OK\r\nX-Slow: ", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"];
        for answer in answers {
            let proxy = "http://proxy.example".parse().unwrap();
            let (connect, mut peer) = through_memory(connect("ws://example.com/").proxy(proxy));
            let slow = async {
                assert!(peer.head().await.starts_with("CONNECT example.com:80 "));
                for byte in answer.bytes() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    if peer.try_write([byte]).await.is_err() {
                        return;
                    }
                }
            };
            is_given_up(connect, slow).await;
        }
    });
}

#[test]
fn cve_2023_43669_trickling_tls_does_not_extend_the_timeout() {
    run_paused(async || {
        let tls = Authority::new("unused").trusted();
        let (connect, mut peer) = through_memory(connect("wss://example.com/").tls(tls));
        let slow = async {
            peer.more().await;
            // A handshake record that announces to be long.
            for byte in [0x16, 3, 3, 0x3f, 0xff, 2, 0, 0x3f, 0xf0].into_iter().chain([0; 100]) {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if peer.try_write([byte]).await.is_err() {
                    return;
                }
            }
        };
        is_given_up(connect, slow).await;
    });
}

#[test]
fn rustsec_2026_0258_every_h2_in_the_build_is_patched() {
    let lock = include_str!("../../Cargo.lock");
    let versions: Vec<&str> = lock
        .split("[[package]]")
        .filter(|package| package.contains("\nname = \"h2\"\n"))
        .map(|package| {
            let version = package.lines().find_map(|line| line.strip_prefix("version = "));
            version.expect("a version").trim_matches('"')
        })
        .collect();
    assert!(!versions.is_empty());
    for version in versions {
        let numbers: Vec<u32> = version.split('.').map(|number| number.parse().expect("a number")).collect();
        assert!(numbers >= vec![0, 4, 16], "{version}");
    }
}
