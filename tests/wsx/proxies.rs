//! Connections through an HTTP proxy.

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::events::{CLOSED, EOF, OPEN};
use crate::peer::{Peer, listen};
use crate::program::Wsx;
use crate::run::run;

const CONNECT: &str = r#"{"event":"connect"}"#;

/// Starts a proxy for one connection that sends this response and then forwards. Returns its URL.
async fn proxy(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut stream = listener.accept().await.unwrap().0;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let authority = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        if answer.starts_with("HTTP/1.1 200 ") {
            let mut server = TcpStream::connect(authority).await.unwrap();
            let _ = copy_bidirectional(&mut stream, &mut server).await;
        }
    });
    url
}

const GRANTED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

#[test]
fn the_tunnel_is_told_before_the_socket() {
    run(async || {
        let (listener, url) = listen().await;
        let program =
            Wsx::json(url).args(["--proxy", &proxy(GRANTED).await, "--send", "through", "--wait", "0"]).start();
        let mut peer = Peer::open(&listener).await;
        assert_eq!(peer.text().await, "through");
        peer.answer_close().await;
        program.end().await.is_clean(&[CONNECT, OPEN, CLOSED, EOF]);
    });
}

#[test]
fn the_tunnel_is_told_as_soon_as_it_stands() {
    run(async || {
        let (listener, url) = listen().await;
        let mut program = Wsx::json(url).args(["--proxy", &proxy(GRANTED).await]).start();
        // The server has not answered yet.
        let (_peer, _) = Peer::asked(&listener).await;
        assert_eq!(program.line().await, CONNECT);
    });
}

#[test]
fn the_tunnel_is_told_where_the_handshake_through_it_fails() {
    run(async || {
        let refusal = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        for (answer, message) in [
            (refusal, "handshake answered with 404 Not Found: unexpected status code"),
            ("", "handshake failed: connection closed without a response"),
        ] {
            let (listener, url) = listen().await;
            let program = Wsx::json(url).args(["--proxy", &proxy(GRANTED).await]).start();
            let (mut peer, _) = Peer::asked(&listener).await;
            peer.write(answer).await;
            drop(peer);
            let error = format!("{{\"event\":\"error\",\"message\":\"{message}\"}}");
            program.end().await.has_failed(&[CONNECT, &error, EOF]);
        }
    });
}

#[test]
fn the_tunnel_is_told_where_tls_through_it_fails() {
    run(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("wss://{}", listener.local_addr().unwrap());
        let program = Wsx::json(url).args(["--insecure", "--proxy", &proxy(GRANTED).await]).start();
        let mut stream = listener.accept().await.unwrap().0;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let ended = program.end().await;
        assert_eq!((ended.status, ended.lines.len()), (Some(1), 3), "{ended:?}");
        assert_eq!([&*ended.lines[0], &ended.lines[2]], [CONNECT, EOF]);
        assert!(ended.lines[1].starts_with(r#"{"event":"error","message":"TLS with 127.0.0.1 failed: "#), "{ended:?}");
    });
}

#[test]
fn a_tunnel_that_is_refused_is_an_error_alone() {
    run(async || {
        for (answer, message) in [
            ("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "proxy refused the tunnel: 502 Bad Gateway"),
            (
                "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
                "proxy authentication required: 407 (Basic)",
            ),
            ("", "proxy closed the connection without a response"),
        ] {
            let ended = Wsx::json("ws://127.0.0.1:1/").args(["--proxy", &proxy(answer).await]).run().await;
            ended.has_failed(&[&format!("{{\"event\":\"error\",\"message\":\"{message}\"}}"), EOF]);
        }
    });
}

#[test]
fn a_proxy_that_is_not_there_is_an_error_without_an_end() {
    run(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let ended = Wsx::json("ws://127.0.0.1:1/").args(["--proxy", &proxy]).run().await;
        assert_eq!((ended.status, ended.lines.len()), (Some(1), 1), "{ended:?}");
    });
}

#[test]
fn without_a_proxy_there_is_no_tunnel() {
    run(async || {
        let (listener, url) = listen().await;
        // The environment is ignored as well.
        let program = Wsx::json(url).env("HTTP_PROXY", "http://127.0.0.1:1").env("http_proxy", "http://127.0.0.1:1");
        let program = program.args(["--wait", "0"]).start();
        Peer::open(&listener).await.answer_close().await;
        program.end().await.is_clean(&[OPEN, CLOSED, EOF]);
    });
}
