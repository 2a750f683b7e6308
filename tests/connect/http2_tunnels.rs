//! HTTP/2 through a proxy, and over an existing stream.

#[cfg(unix)]
use tokio::net::UnixStream;
use tower_websocket::client::ConnectError;
use tower_websocket::{CloseCode, Config, connect};
use websocket_tests::wire::Frame;

use crate::certificates::Authority;
use crate::forwarder::Forwarder;
use crate::http2_peer::{Http2Peer, builder};
use crate::http2_servers::Stack;
use crate::http2_wire::{
    ACK, DATA, END_HEADERS, HEADERS, Http2Wire, OK, PING, SETTINGS, STREAM, TAKES_WEBSOCKETS, frame,
};
use crate::peer::{Peer, echoes, listen};
use crate::run::run;

#[test]
fn ws_and_wss_use_a_tunnel() {
    run(async || {
        for stack in Stack::ALL {
            let server = stack.serve(Config::server()).await;
            let forwarder = Forwarder::start().await;
            let proxy = format!("http://127.0.0.1:{}", forwarder.port).parse().unwrap();
            let (mut socket, _) = server.connect().proxy(proxy).await.unwrap();
            echoes(&mut socket, "hello").await;
            echoes(&mut socket, &"long ".repeat(100_000)).await;
            socket.close(CloseCode::NORMAL, "").await.unwrap();
            let line = format!("CONNECT localhost:{} HTTP/1.1\r\n", server.port);
            assert!(forwarder.requests().concat().starts_with(&line));
            assert_eq!(forwarder.requests().len(), 1);
        }
    });
}

#[test]
fn several_sockets_share_a_tunnel() {
    run(async || {
        for stack in Stack::TWO {
            let server = stack.serve(Config::server()).await;
            let forwarder = Forwarder::wanting("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==").await;
            let proxy = format!("http://Aladdin:open%20sesame@127.0.0.1:{}", forwarder.port).parse().unwrap();
            let connection = server.connect().proxy(proxy).http2_connection().await.unwrap();
            for _ in 0..5 {
                let (mut socket, _) = server.connect().on(&connection).await.unwrap();
                echoes(&mut socket, "hello").await;
            }
            assert_eq!(forwarder.requests().len(), 1);
        }
    });
}

#[test]
fn proxy_refusal_is_reported() {
    run(async || {
        let forwarder = Forwarder::wanting("Basic nothing").await;
        let proxy = format!("http://127.0.0.1:{}", forwarder.port).parse().unwrap();
        let error = connect("ws://example.com/").http2().proxy(proxy).await.unwrap_err();
        assert!(matches!(error, ConnectError::Proxy(_)), "{error:?}");
    });
}

/// A server may send first (RFC 9113 §3.4), and a proxy may combine that with its response.
#[test]
fn data_following_the_response_of_the_proxy_belongs_to_the_server() {
    run(async || {
        let settings = frame(SETTINGS, 0, 0, TAKES_WEBSOCKETS);
        for cut in 0..=settings.len() {
            let (listener, port) = listen().await;
            let server = async {
                let mut peer = Peer::of(&listener).await;
                assert!(peer.head().await.starts_with("CONNECT example.com:80 HTTP/1.1\r\n"));
                let answer = b"HTTP/1.1 200 OK\r\n\r\n";
                peer.write([&answer[..], &settings[..cut]].concat()).await;
                // After this, the client has read the data that followed the response.
                let mut wire = Http2Wire::begin(peer.into_io()).await;
                wire.write_all(&[settings[cut..].to_vec()]).await;
                let ping = wire.next(PING).await;
                wire.write(PING, ACK, 0, ping.payload).await;
                wire.next(HEADERS).await;
                let hello = Frame::text("hello").unmasked().bytes();
                wire.write_all(&[frame(HEADERS, END_HEADERS, STREAM, OK), frame(DATA, 0, STREAM, hello)]).await;
                assert_eq!(wire.next(DATA).await.payload.len(), 6 + 5);
                wire
            };
            let proxy = format!("http://127.0.0.1:{port}").parse().unwrap();
            let client = async {
                let (mut socket, _) = connect("ws://example.com/").http2().proxy(proxy).await.unwrap();
                assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("hello"), "{cut}");
                socket.send("there").await.unwrap();
                socket
            };
            let (socket, mut wire) = tokio::join!(client, server);
            // The end is forwarded as well.
            drop(socket);
            wire.rest().await;
        }
    });
}

/// Data received before TLS is not authenticated.
#[test]
fn data_of_a_proxy_before_tls_does_not_belong_to_the_server() {
    run(async || {
        let (listener, port) = listen().await;
        let proxy = async {
            let mut peer = Peer::of(&listener).await;
            peer.head().await;
            let answer = b"HTTP/1.1 200 OK\r\n\r\n";
            peer.write([&answer[..], &frame(SETTINGS, 0, 0, TAKES_WEBSOCKETS)].concat()).await;
            assert!(peer.rest().await.is_empty(), "no TLS is begun");
        };
        let url = format!("http://127.0.0.1:{port}").parse().unwrap();
        let connect = connect("wss://localhost/").http2().proxy(url).tls(Authority::new("any").trusted());
        let (opened, ()) = tokio::join!(connect.into_future(), proxy);
        let error = opened.unwrap_err();
        assert!(matches!(&error, ConnectError::Tls { host, .. } if host == "localhost"), "{error:?}");
    });
}

#[test]
fn memory_and_unix_sockets_work_as_streams() {
    run(async || {
        let sizes = [Some(64), Some(64 * 1024), None];
        // No Unix socket elsewhere.
        for memory in sizes.into_iter().filter(|size| cfg!(unix) || size.is_some()) {
            let (sender, _ends) = tokio::sync::mpsc::unbounded_channel();
            let connect = connect("ws://example.com/").http2();
            let (connect, server): (_, Box<dyn crate::peer::Transport>) = match memory {
                Some(size) => {
                    let (io, other) = tokio::io::duplex(size);
                    (connect.over(io), Box::new(other))
                }
                #[cfg(unix)]
                None => {
                    let (io, other) = UnixStream::pair().unwrap();
                    (connect.over(io), Box::new(other))
                }
                #[cfg(not(unix))]
                None => unreachable!("filtered"),
            };
            tokio::spawn(Stack::Hyper.serve_connection(server, Config::server(), sender));
            let (mut socket, _) = connect.await.unwrap();
            echoes(&mut socket, "hello").await;
            echoes(&mut socket, &"long ".repeat(2000)).await;
            socket.close(CloseCode::NORMAL, "").await.unwrap();
            assert_eq!(socket.close_frame().map(|close| close.code), Some(CloseCode::NORMAL));
        }
    });
}

/// The stream is past any TLS handshake.
#[test]
fn url_is_only_used_for_the_request() {
    run(async || {
        for (url, uri) in [
            ("wss://nowhere.invalid/a", "https://nowhere.invalid/a"),
            ("wss://nowhere.invalid:443/a", "https://nowhere.invalid/a"),
            ("ws://nowhere.invalid:443/a", "http://nowhere.invalid:443/a"),
        ] {
            let (io, other) = tokio::io::duplex(4096);
            let proxy = "http://nowhere.invalid:1".parse().unwrap();
            let connect = connect(url).http2().proxy(proxy).over(io).into_future();
            let server = async {
                let mut peer = Http2Peer::new(other, builder()).await;
                let asked = peer.asked().await.unwrap();
                assert_eq!(asked.request.uri(), uri);
                (asked.accept(), peer)
            };
            let (opened, _server) = tokio::join!(connect, server);
            opened.unwrap();
        }
    });
}
