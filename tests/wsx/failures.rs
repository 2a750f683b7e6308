//! Connections that fail.

use tokio::net::TcpListener;

use crate::events::EOF;
use crate::peer::{Peer, listen};
use crate::program::Wsx;
use crate::run::run;

/// Returns an address on which no server listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

fn error(message: &str) -> String {
    format!("{{\"event\":\"error\",\"message\":\"{message}\"}}")
}

#[test]
fn nobody_listens() {
    run(async || {
        let address = nobody().await;
        let ended = Wsx::json(format!("ws://{address}/")).run().await;
        let [line] = &ended.lines[..] else { panic!("{ended:?}") };
        let message = format!("{{\"event\":\"error\",\"message\":\"cannot connect to {address}: ");
        assert!(line.starts_with(&message) && line.contains("(os error "), "{line}");
        ended.has_failed(&[line]);
    });
}

#[test]
fn an_address_that_is_none() {
    run(async || {
        for url in ["", "/path", "ftp://127.0.0.1/", "ws://"] {
            let ended = Wsx::json(url).run().await;
            assert_eq!((ended.status, ended.lines.len(), &*ended.errors), (Some(1), 1, ""), "{url}: {ended:?}");
            assert!(ended.lines[0].starts_with(r#"{"event":"error","message":""#), "{ended:?}");
        }
    });
}

#[test]
fn a_server_that_refuses() {
    run(async || {
        let cases = [
            (
                "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nno!\n",
                "handshake answered with 403 Forbidden: unexpected status code",
            ),
            (
                "HTTP/1.1 302 Found\r\nLocation: ws://elsewhere/\r\nContent-Length: 0\r\n\r\n",
                "handshake answered with 302 Found (Location: ws://elsewhere/): unexpected status code",
            ),
            (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
                "handshake answered with 101 Switching Protocols: missing or invalid Sec-WebSocket-Accept header",
            ),
            ("SSH-2.0-OpenSSH_9\r\n\r\n", "handshake failed: response is not HTTP/1.1"),
            ("", "handshake failed: connection closed without a response"),
        ];
        for (answer, message) in cases {
            let (listener, url) = listen().await;
            let program = Wsx::json(&url).start();
            let (mut peer, _) = Peer::asked(&listener).await;
            peer.write(answer).await;
            drop(peer);
            program.end().await.has_failed(&[&error(message), EOF]);
        }
    });
}

#[test]
fn a_person_is_told_the_reason_and_the_body_but_nothing_that_steers_the_terminal() {
    run(async || {
        let (listener, url) = listen().await;
        let program = Wsx::plain(&url).start();
        let (mut peer, _) = Peer::asked(&listener).await;
        let body = "you may not\r\n\u{1b}[2J\u{9b}31mhere\n";
        let head = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"\u{9b}31m\"";
        peer.write(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
        drop(peer);
        let ended = program.end().await;
        let told = "wsx: handshake answered with 401 Unauthorized \
                    (WWW-Authenticate: Basic realm=\"\\u{9b}31m\"): unexpected status code\n\
                    you may not\n\\u{1b}[2J\\u{9b}31mhere\n";
        assert_eq!((ended.status, ended.lines.len(), &*ended.errors), (Some(1), 0, told));
    });
}

#[test]
fn options_that_only_the_connection_finds_wrong() {
    run(async || {
        for (args, message) in [
            (&["--header", "nothing"][..], "invalid header, expected `Name: value`"),
            (&["--header", "Upgrade: other"], "header upgrade is reserved for the handshake"),
            (&["--protocols", "a b"], "invalid or duplicate subprotocol \\\"a b\\\""),
        ] {
            // No connection is attempted.
            let ended = Wsx::json("ws://127.0.0.1:1/").args(args.iter().copied()).run().await;
            ended.has_failed(&[&error(message)]);
        }
        for args in [["--ca", "/there/is/no/such.pem"], ["--proxy", "http://user:secret@"], ["--header", "a b: c"]] {
            let ended = Wsx::json("wss://127.0.0.1:1/").args(args).run().await;
            assert_eq!((ended.status, ended.lines.len(), &*ended.errors), (Some(1), 1, ""), "{ended:?}");
            assert!(!ended.lines[0].contains("secret"), "{ended:?}");
        }
    });
}
