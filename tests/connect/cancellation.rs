//! A connection attempt that is dropped leaves nothing behind: the server sees the end of the
//! transport.

use std::future::{Future, poll_fn};
use std::task::Poll;

use tokio::net::TcpListener;
use tower_websocket::client::Connect;
use tower_websocket::{Config, connect, test};

use crate::certificates::Authority;
use crate::peer::{Peer, listen, sample_config, upgraded};
use crate::run::run;

/// Connects until `server` has completed, and drops the attempt then.
async fn dropped_after<T>(connect: Connect, server: impl Future<Output = T>) -> T {
    let connect = connect.into_future();
    tokio::select! {
        biased;
        done = server => done,
        opened = connect => panic!("the server has not answered: {opened:?}"),
    }
}

async fn first_byte(listener: &TcpListener) -> Peer {
    let mut peer = Peer::of(listener).await;
    peer.more().await;
    peer
}

#[test]
fn connect_dropped_while_waiting_for_the_response_ends_the_transport() {
    run(async || {
        let (listener, port) = listen().await;
        let mut peer = dropped_after(connect(format!("ws://127.0.0.1:{port}/")), first_byte(&listener)).await;
        assert!(peer.rest().await.starts_with(b"GET / HTTP/1.1\r\n"));
    });
}

#[test]
fn connect_dropped_during_the_tls_handshake_ends_the_transport() {
    run(async || {
        let (listener, port) = listen().await;
        let connect = connect(format!("wss://127.0.0.1:{port}/")).tls(Authority::new("good").trusted());
        let mut peer = dropped_after(connect, first_byte(&listener)).await;
        // RFC 8446 §5.1: a handshake record.
        assert_eq!(peer.rest().await[0], 22);
    });
}

#[test]
fn connect_dropped_after_the_tls_handshake_ends_the_transport() {
    run(async || {
        let authority = Authority::new("good");
        let acceptor = authority.acceptor(&["localhost"]);
        let (listener, port) = listen().await;
        let server = async {
            let mut peer = Peer::new(acceptor.accept(listener.accept().await.unwrap().0).await.unwrap());
            peer.head().await;
            peer
        };
        let connect = connect(format!("wss://localhost:{port}/")).tls(authority.trusted());
        let mut peer = dropped_after(connect, server).await;
        // There is no close_notify, since dropping cannot send one.
        assert!(peer.any_end().await.is_empty());
    });
}

#[test]
fn connect_dropped_while_waiting_for_the_tunnel_ends_the_transport() {
    run(async || {
        let (listener, port) = listen().await;
        let proxy = format!("http://127.0.0.1:{port}").parse().unwrap();
        let mut peer = dropped_after(connect("ws://example.com/").proxy(proxy), first_byte(&listener)).await;
        assert!(peer.rest().await.starts_with(b"CONNECT example.com:80 HTTP/1.1\r\n"));
    });
}

#[test]
fn connect_dropped_after_the_tunnel_ends_the_transport() {
    run(async || {
        let (listener, port) = listen().await;
        let server = async {
            let mut peer = Peer::of(&listener).await;
            peer.head().await;
            peer.write("HTTP/1.1 200 OK\r\n\r\n").await;
            peer.more().await;
            peer
        };
        let proxy = format!("http://127.0.0.1:{port}").parse().unwrap();
        let mut peer = dropped_after(connect("ws://example.com/").proxy(proxy), server).await;
        assert!(peer.rest().await.starts_with(b"GET / HTTP/1.1\r\n"));
    });
}

#[test]
fn connect_dropped_anywhere_in_the_response_ends_the_transport() {
    run(async || {
        let answer = upgraded("");
        for cut in 0..answer.len() {
            let (io, other) = tokio::io::duplex(4096);
            let mut peer = Peer::new(other);
            let mut connect = Box::pin(connect("ws://example.com/").config(sample_config()).over(io).into_future());
            peer.write(&answer[..cut]).await;
            poll_fn(|cx| {
                assert!(connect.as_mut().poll(cx).is_pending(), "{cut} bytes are not all");
                Poll::Ready(())
            })
            .await;
            drop(connect);
            assert!(peer.rest().await.starts_with(b"GET / HTTP/1.1\r\n"));
        }
    });
}

#[test]
fn connect_that_is_not_polled_connects_to_nothing() {
    run(async || {
        let (listener, port) = listen().await;
        drop(connect(format!("ws://127.0.0.1:{port}/")));
        drop(connect(format!("ws://127.0.0.1:{port}/")).into_future());
        let second = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        // Connections are accepted in order.
        assert_eq!(listener.accept().await.unwrap().1, second.local_addr().unwrap());
    });
}

#[test]
fn dropped_socket_ends_the_transport() {
    run(async || {
        let (socket, mut peer) = test::client(Config::client()).await;
        drop(socket);
        peer.expect_eof().await;
    });
}
