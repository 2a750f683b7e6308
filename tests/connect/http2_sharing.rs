//! Several WebSockets on one HTTP/2 connection.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};
use tower_websocket::client::{ConnectError, Http2Connection};
use tower_websocket::{CloseCode, Config, WebSocket, connect};
use websocket_tests::chain::chain;
use websocket_tests::wire::Frame;

use crate::certificates::Authority;
use crate::http2_peer::{Http2Peer, builder, connection, open_on};
use crate::http2_servers::Stack;
use crate::peer::{echoes, listen};
use crate::run::{run, run_paused};

const LONG: Duration = Duration::from_secs(5);

#[test]
fn hundred_sockets_share_a_connection() {
    run(async || {
        for stack in Stack::ALL {
            let server = stack.serve(Config::server()).await;
            let connection = server.connect().http2_connection().await.unwrap();
            let opened = join_all((0..100).map(|_| server.connect().on(&connection).into_future())).await;
            let mut sockets: Vec<WebSocket> = opened.into_iter().map(|opened| opened.unwrap().0).collect();
            for round in 0..3 {
                for (number, socket) in sockets.iter_mut().enumerate() {
                    socket.send(format!("{round} of {number}")).await.unwrap();
                }
                for (number, socket) in sockets.iter_mut().enumerate().rev() {
                    let message = socket.recv().await.unwrap().unwrap();
                    assert_eq!(message.as_text(), Some(&*format!("{round} of {number}")));
                }
            }
            // The end of some sockets, in whatever way, does not affect the others.
            let rest = sockets.split_off(60);
            drop(sockets.split_off(30));
            for mut socket in sockets {
                socket.close(CloseCode::NORMAL, "").await.unwrap();
            }
            for mut socket in rest {
                echoes(&mut socket, "still here").await;
            }
        }
    });
}

#[test]
fn sockets_of_several_tasks_do_not_wait_for_each_other() {
    run(async || {
        for stack in Stack::TWO {
            let server = stack.serve(Config::server()).await;
            let connection = server.connect().http2_connection().await.unwrap();
            let mut tasks = Vec::new();
            for number in 0..20 {
                let connect = server.connect().on(&connection);
                tasks.push(tokio::spawn(async move {
                    let (mut socket, _) = connect.await.unwrap();
                    for round in 0..10 {
                        echoes(&mut socket, &format!("{round} of {number} ").repeat(1 << round)).await;
                    }
                    socket.close(CloseCode::NORMAL, "").await.unwrap();
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
        }
    });
}

#[test]
fn connection_alone_sends_no_request() {
    run_paused(async || {
        let (connection, mut peer) = connection(builder()).await;
        assert!(timeout(LONG, peer.asked()).await.is_err());
        let clone = connection.clone();
        drop(connection);
        open_on(&clone, &mut peer, Config::client()).await;
    });
}

#[test]
fn second_stream_waits_for_the_first_at_a_limit_of_one() {
    run_paused(async || {
        let mut one = builder();
        one.max_concurrent_streams(1);
        let (connection, mut peer) = connection(one).await;
        let (mut first, mut tunnel) = open_on(&connection, &mut peer, Config::client()).await;
        let second = connect("ws://example.com/second").on(&connection).timeout(10 * LONG);
        let mut second = Box::pin(second.into_future());
        assert!(timeout(LONG, &mut second).await.is_err());
        assert!(timeout(LONG, peer.asked()).await.is_err());
        let close = async {
            assert_eq!(tunnel.frame().await.0, 0x88);
            tunnel.write(Frame::close(1000, ""));
            tunnel.write_bytes("", true);
        };
        let (closed, ()) = tokio::join!(first.close(CloseCode::NORMAL, ""), close);
        closed.unwrap();
        let (second, mut tunnel) = tokio::join!(second, async {
            let asked = peer.asked().await.unwrap();
            assert_eq!(asked.request.uri().path(), "/second");
            asked.accept()
        });
        let (mut second, _) = second.unwrap();
        second.send("hello").await.unwrap();
        tunnel.expect("hello").await;
        // A dropped socket frees its stream.
        drop(second);
        open_on(&connection, &mut peer, Config::client()).await;
    });
}

#[test]
fn waiting_for_a_stream_is_bounded_by_the_timeout() {
    run_paused(async || {
        let mut one = builder();
        one.max_concurrent_streams(1);
        let (connection, mut peer) = connection(one).await;
        let (mut first, mut tunnel) = open_on(&connection, &mut peer, Config::client()).await;
        let begin = Instant::now();
        let waiting = connect("ws://example.com/never").on(&connection).timeout(Duration::from_secs(3));
        assert!(matches!(waiting.await, Err(ConnectError::TimedOut)));
        assert_eq!(begin.elapsed().as_secs(), 3);
        first.send("still here").await.unwrap();
        tunnel.expect("still here").await;
    });
}

/// Servers that receive many requests that are reset at once consider that an attack, and close the
/// connection.
#[test]
fn timed_out_wait_for_a_stream_sends_no_request_later() {
    run_paused(async || {
        for attempts in [1, 50] {
            let mut one = builder();
            one.max_concurrent_streams(1);
            let (connection, mut peer) = connection(one).await;
            let (first, _tunnel) = open_on(&connection, &mut peer, Config::client()).await;
            for _ in 0..attempts {
                let waiting = connect("ws://example.com/never").on(&connection).timeout(Duration::from_secs(3));
                assert!(matches!(waiting.await, Err(ConnectError::TimedOut)));
            }
            drop(first);
            let second = connect("ws://example.com/second").on(&connection).into_future();
            let (second, asked) = tokio::join!(second, async {
                let asked = peer.asked().await.expect("a connection that still stands");
                (asked.request.uri().path().to_owned(), asked.accept())
            });
            assert_eq!(asked.0, "/second");
            second.unwrap();
        }
    });
}

#[test]
fn stream_is_used_in_turn_by_those_that_wait() {
    run(async || {
        let mut one = builder();
        one.max_concurrent_streams(1);
        let (connection, mut peer) = connection(one).await;
        let clients = (0..10).map(|number| {
            let connect = connect(format!("ws://example.com/{number}")).on(&connection);
            async move { connect.await.expect("an open socket").0.send("hello").await.expect("a server that stays") }
        });
        let server = async {
            for _ in 0..10 {
                let mut tunnel = peer.accept().await;
                while tunnel.more().await.is_some_and(|data| data.is_ok()) {}
            }
        };
        tokio::join!(join_all(clients), server);
    });
}

#[test]
fn url_of_another_server_is_refused_without_a_request() {
    run_paused(async || {
        let (connection, mut peer) = connection(builder()).await;
        for url in [
            "ws://example.org/",
            "ws://example.com:81/",
            "ws://example.com:443/",
            "wss://example.com/",
            "wss://example.com:80/",
            "https://example.com/",
            "ws://www.example.com/",
            "ws://127.0.0.1/",
        ] {
            let error = connect(url).on(&connection).await.unwrap_err();
            let is_it = matches!(&error, ConnectError::OtherServer { connected } if connected == "example.com:80");
            assert!(is_it && !error.is_transient(), "{url}: {error:?}");
            assert!(chain(&error).contains("example.com:80"), "{error}");
        }
        assert!(timeout(LONG, peer.asked()).await.is_err());
        // Other ways to write the same server.
        for url in ["ws://EXAMPLE.com:80/a?b", "http://example.com", "WS://user:secret@example.com/"] {
            let (opened, _tunnel) = tokio::join!(connect(url).on(&connection).into_future(), peer.accept());
            assert!(opened.is_ok(), "{url}");
        }
    });
}

#[test]
fn argument_errors_are_reported_first() {
    run(async || {
        let (connection, _peer) = connection(builder()).await;
        let error = connect("ws://").on(&connection).await.unwrap_err();
        assert!(matches!(error, ConnectError::MalformedUrl(_)), "{error:?}");
        let error = connect("ws://example.com").header("host", "x").on(&connection).await.unwrap_err();
        assert!(matches!(error, ConnectError::Header(_)), "{error:?}");
        let error = connect("ws://example.com").protocols(["a b"]).on(&connection).await.unwrap_err();
        assert!(matches!(error, ConnectError::Protocol(_)), "{error:?}");
        let error = connect("ftp://example.com").http2_connection().await.unwrap_err();
        assert!(matches!(error, ConnectError::Url(_)), "{error:?}");
    });
}

#[test]
fn transport_options_are_ignored_on_a_connection() {
    run(async || {
        let (connection, mut peer) = connection(builder()).await;
        let (io, mut other) = tokio::io::duplex(64);
        let connect = connect("ws://example.com/")
            .proxy("http://nowhere.invalid:1".parse().unwrap())
            .tls(Authority::new("any").trusted())
            .over(io)
            .on(&connection)
            .into_future();
        let (opened, mut tunnel) = tokio::join!(connect, peer.accept());
        let (mut socket, _) = opened.unwrap();
        socket.send("hello").await.unwrap();
        tunnel.expect("hello").await;
        assert_eq!(tokio::io::AsyncReadExt::read(&mut other, &mut [0]).await.unwrap(), 0, "nothing went there");
    });
}

/// Returns a connection over TCP and the server's side.
async fn over_tcp() -> (Http2Connection, Http2Peer, String) {
    let (listener, port) = listen().await;
    let url = format!("ws://127.0.0.1:{port}/");
    let server = async { Http2Peer::new(listener.accept().await.unwrap().0, builder()).await };
    let (connection, peer) = tokio::join!(connect(&*url).http2_connection(), server);
    (connection.unwrap(), peer, url)
}

#[test]
fn connection_ends_in_order_with_its_last_clone() {
    run(async || {
        let (connection, peer, _) = over_tcp().await;
        let clone = connection.clone();
        drop(connection);
        let mut end = Box::pin(peer.end());
        assert!(timeout(Duration::from_millis(50), &mut end).await.is_err(), "there is another");
        drop(clone);
        end.await.expect("an end in order");
    });
}

#[test]
fn connection_lives_as_long_as_a_socket() {
    run(async || {
        let (connection, mut peer, url) = over_tcp().await;
        let (opened, mut tunnel) = tokio::join!(connect(&*url).on(&connection).into_future(), peer.accept());
        let (mut socket, _) = opened.unwrap();
        drop(connection);
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            socket.send("still here").await.unwrap();
            tunnel.expect("still here").await;
        }
        let server = async {
            assert_eq!(tunnel.frame().await.0, 0x88);
            tunnel.write(Frame::close(1000, ""));
            tunnel.write_bytes("", true);
            drop(tunnel);
            peer.end().await.expect("an end in order");
        };
        let client = async {
            socket.close(CloseCode::NORMAL, "").await.unwrap();
            drop(socket);
        };
        tokio::join!(client, server);
    });
}

#[test]
fn connection_debug_output_has_no_secrets() {
    run(async || {
        let (io, other) = tokio::io::duplex(64 * 1024);
        let connect = connect("ws://user:secret@example.com/token").http2().over(io);
        let (connection, _peer) = tokio::join!(connect.http2_connection(), Http2Peer::new(other, builder()));
        let told = format!("{:?}", connection.unwrap());
        assert!(told.contains("example.com:80") && !told.contains("secret") && !told.contains("token"), "{told}");
    });
}
