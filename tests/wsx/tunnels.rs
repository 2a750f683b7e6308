//! Tunnels of TCP through WebSockets, with `wsx` at one end or at both.

use std::io::ErrorKind;

use axum::Router;
use axum::body::Bytes as Body;
use axum::routing::{any, get, post};
use axum_websocket::WebSocketUpgrade;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tower_websocket::client::ConnectError;
use tower_websocket::{ByteStream, CloseCause, connect};

use crate::peer::listen;
use crate::program::{Running, Wsx};
use crate::run::run;

/// Starts a listening end, and returns its address.
async fn listening(wsx: Wsx) -> (Running, String) {
    let mut running = wsx.args(["--listen", "127.0.0.1:0"]).start();
    let line = running.line().await;
    let address = line.strip_prefix("listening on ").expect("its address");
    (running, address.strip_prefix("tcp://").unwrap_or(address).to_owned())
}

/// Starts an HTTP server.
async fn web() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let router = Router::new().route("/", get("hello")).route("/echo", post(async |body: Body| body));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Sends short and long HTTP requests, several at once.
async fn browse(address: &str) {
    let conversation = async || {
        let stream = TcpStream::connect(address).await.expect("the tunnel");
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("a connection");
        let connection = tokio::spawn(connection);
        let long = vec![b'x'; 1_000_000];
        for (method, path, sent, expected) in
            [("GET", "/", vec![], b"hello".to_vec()), ("POST", "/echo", long.clone(), long)]
        {
            let request = Request::builder().method(method).uri(path).header("host", "localhost");
            let request = request.body(Full::new(Bytes::from(sent))).expect("a request");
            let response = sender.send_request(request).await.expect("a response");
            assert!(response.into_body().collect().await.expect("a body").to_bytes() == expected);
        }
        drop(sender);
        connection.await.expect("no panic").expect("no error");
    };
    tokio::join!(conversation(), conversation(), conversation());
}

#[test]
fn http_passes_through_two_ends() {
    run(async || {
        let web = web().await;
        let (_server, url) = listening(Wsx::bare().args(["--tunnel", &web])).await;
        assert!(url.starts_with("ws://127.0.0.1:"));
        for deflate in [None, Some("--deflate")] {
            let (_client, address) = listening(Wsx::plain(&url).args(deflate)).await;
            browse(&address).await;
        }
    });
}

#[test]
fn http_passes_through_a_client_to_another_server_over_http1_and_http2() {
    run(async || {
        let target = web().await;
        let handler = async move |ws: WebSocketUpgrade| {
            ws.on_upgrade(async move |socket| {
                let mut target = TcpStream::connect(target).await.expect("the target");
                let _ = copy_bidirectional(&mut ByteStream::new(socket), &mut target).await;
            })
        };
        let (listener, url) = listen().await;
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(any(handler))).await });
        for http2 in [None, Some("--http2")] {
            let (_client, address) = listening(Wsx::plain(&url).args(http2)).await;
            browse(&address).await;
        }
    });
}

#[test]
fn end_of_the_target_is_the_end_of_the_tunnel() {
    run(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let target = listener.local_addr().expect("its address").to_string();
        let (_server, url) = listening(Wsx::bare().args(["--tunnel", &target])).await;
        let (_client, address) = listening(Wsx::plain(&url)).await;
        let mut stream = TcpStream::connect(address).await.expect("the tunnel");
        let (mut accepted, _) = listener.accept().await.expect("a connection");
        accepted.write_all(b"last words").await.expect("room");
        drop(accepted);
        let mut read = Vec::new();
        stream.read_to_end(&mut read).await.expect("an end in order");
        assert_eq!(read, b"last words");
    });
}

#[test]
fn tunnel_that_breaks_off_resets_the_connection() {
    run(async || {
        let handler = async |ws: WebSocketUpgrade| {
            ws.on_upgrade(async |socket| {
                ByteStream::new(socket).write_all(b"half of it").await.expect("room");
            })
        };
        let (listener, url) = listen().await;
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(any(handler))).await });
        let (_client, address) = listening(Wsx::plain(&url)).await;
        let mut stream = TcpStream::connect(address).await.expect("the tunnel");
        let error = stream.read_to_end(&mut Vec::new()).await.expect_err("no end in order");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn target_that_does_not_answer_is_told_by_a_close() {
    run(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let target = listener.local_addr().expect("its address").to_string();
        drop(listener);
        let (_server, url) = listening(Wsx::bare().args(["--tunnel", &target])).await;
        let (mut socket, _) = connect(url).await.expect("a socket");
        assert!(socket.recv().await.is_none());
        assert!(matches!(socket.close_cause(), Some(CloseCause::Remote(close)) if close.code == 1011));
    });
}

#[test]
fn pages_of_other_origins_get_no_tunnel() {
    run(async || {
        let (_server, url) = listening(Wsx::bare().args(["--tunnel", "127.0.0.1:1"])).await;
        let refused = connect(url).header("origin", "https://evil.example").await;
        assert!(matches!(refused, Err(ConnectError::Refused(_))), "{refused:?}");
    });
}

#[test]
fn options_of_tunnels_are_checked() {
    run(async || {
        for args in [
            &["--listen", "127.0.0.1:0"][..],
            &["--tunnel", "127.0.0.1:1"],
            &["ws://localhost", "--listen", "127.0.0.1:0", "--tunnel", "127.0.0.1:1"],
            &["ws://localhost", "--listen", "127.0.0.1:0", "--json"],
            &["ws://localhost", "--listen", "127.0.0.1:0", "--text", "x"],
        ] {
            let ended = Wsx::bare().args(args.iter().copied()).run().await;
            assert_eq!(ended.status, Some(2), "{args:?}: {ended:?}");
        }
        let ended = Wsx::plain("http://localhost").args(["--listen", "nowhere:x"]).run().await;
        assert_eq!(ended.status, Some(1), "{ended:?}");
    });
}
