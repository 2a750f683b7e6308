//! IPv6 zones in URLs, which belong to addresses and not to the names that are sent.

use std::convert::Infallible;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tower::service_fn;
use tower_websocket::client::ConnectError;
use tower_websocket::{CloseCode, Config, connect};
use websocket_tests::chain::chain;

use crate::peer::{Peer, echo, echoes};
use crate::run::{run, run_paused};

#[test]
fn ipv6_zone_is_not_sent() {
    run_paused(async || {
        for zone in ["%25eth0", "%eth0", "%25et%2dh0"] {
            for proxy in [false, true] {
                let (io, other) = tokio::io::duplex(4096);
                let mut io = Some(TokioIo::new(io));
                let connector = service_fn(move |_: Uri| {
                    let io = io.take().expect("called once");
                    async { Ok::<_, Infallible>(io) }
                });
                let mut connect = connect(format!("ws://[fe80::1{zone}]:8080/")).connector(connector);
                if proxy {
                    connect = connect.proxy("http://proxy".parse().unwrap());
                }
                let mut peer = Peer::new(other);
                let (_, head) = tokio::join!(connect.into_future(), async move { peer.head().await });
                assert!(head.contains("Host: [fe80::1]:8080\r\n") && !head.contains("h0"), "{head}");
                assert_eq!(head.starts_with("CONNECT [fe80::1]:8080 HTTP/1.1\r\n"), proxy, "{head}");
            }
        }
    });
}

#[test]
fn invalid_ipv6_zone_is_an_error() {
    run(async || {
        for zone in ["%25%00", "%25a%20b", "%25%2f", "%25%ff", "%25]", "%25%5d"] {
            let error = connect(format!("ws://[fe80::1{zone}]:8080/")).await.unwrap_err();
            let is_it = matches!(error, ConnectError::Url(_) | ConnectError::MalformedUrl(_) | ConnectError::Io { .. });
            assert!(is_it, "{zone}: {error:?}");
        }
    });
}

#[test]
fn ipv6_zone_is_part_of_the_address_connected_to() {
    run(async || {
        let listener = TcpListener::bind("[::1]:0").await.expect("an IPv6 address");
        let port = listener.local_addr().unwrap().port();
        // Zones are for link-local addresses.
        for zone in ["%251", "%1"] {
            let client = connect(format!("ws://[::1{zone}]:{port}/")).into_future();
            let server = async {
                let (stream, _) = listener.accept().await.unwrap();
                echo(stream, Config::server()).await;
            };
            let client = async {
                let (mut socket, _) = client.await.unwrap();
                echoes(&mut socket, "hello").await;
                socket.close(CloseCode::NORMAL, "").await.unwrap();
            };
            tokio::join!(client, server);
        }
        for (zone, is_known) in [("lo", true), ("nowhere9", false)] {
            let connect = connect(format!("ws://[fe80::1%25{zone}]:{port}/")).timeout(Duration::from_secs(2));
            match connect.await.unwrap_err() {
                ConnectError::Io { host, error } => {
                    assert_eq!(host, format!("[fe80::1%{zone}]:{port}"));
                    assert_eq!(chain(&error).contains("lookup"), !is_known, "{error}");
                }
                error => assert!(is_known && matches!(error, ConnectError::TimedOut), "{error:?}"),
            }
        }
    });
}
