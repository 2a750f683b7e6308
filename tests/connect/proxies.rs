//! Connections through an HTTP proxy.

use http::Uri;
use tower_websocket::client::{ConnectError, ProxyError};
use tower_websocket::{CloseCode, Config, connect};
use websocket_tests::chain::chain;

use crate::certificates::{Authority, tls_echo_server};
use crate::forwarder::Forwarder;
use crate::peer::{Peer, echo_server, echoes, listen, sample_config, upgraded};
use crate::run::run;

/// Returns the proxy's URL with user information.
fn url(forwarder: &Forwarder, user: &str) -> Uri {
    format!("http://{user}127.0.0.1:{}/", forwarder.port).parse().expect("a URL")
}

#[test]
fn ws_uses_a_tunnel() {
    run(async || {
        let forwarder = Forwarder::start().await;
        let port = echo_server(Config::server()).await;
        let connect = connect(format!("ws://127.0.0.1:{port}/path")).proxy(url(&forwarder, ""));
        let (mut socket, _) = connect.await.unwrap();
        echoes(&mut socket, "hello").await;
        echoes(&mut socket, &"long ".repeat(100_000)).await;
        socket.close(CloseCode::NORMAL, "").await.unwrap();
        assert_eq!(socket.close_frame().map(|close| close.code), Some(CloseCode::NORMAL));
        let requests = forwarder.requests();
        assert_eq!(requests.len(), 1);
        let lines: Vec<_> = requests[0].trim_end().split("\r\n").map(str::to_ascii_lowercase).collect();
        assert_eq!(lines[0], format!("connect 127.0.0.1:{port} http/1.1"));
        assert!(lines.contains(&format!("host: 127.0.0.1:{port}")), "{lines:?}");
        assert_eq!(lines.len(), 2, "the proxy need not know more");
    });
}

#[test]
fn wss_uses_a_tunnel_and_trusts_only_the_server() {
    run(async || {
        let forwarder = Forwarder::start().await;
        let authority = Authority::new("good");
        let port = tls_echo_server(authority.acceptor(&["localhost"])).await;
        let open = |tls| connect(format!("wss://localhost:{port}/")).proxy(url(&forwarder, "")).tls(tls);
        let (mut socket, _) = open(authority.trusted()).await.unwrap();
        echoes(&mut socket, "hello").await;
        assert!(forwarder.requests()[0].starts_with(&format!("CONNECT localhost:{port} HTTP/1.1\r\n")));
        let error = open(Authority::new("other").trusted()).await.unwrap_err();
        assert!(matches!(&error, ConnectError::Tls { host, .. } if host == "localhost"), "{error:?}");
        assert_eq!(forwarder.requests().len(), 2);
    });
}

#[test]
fn user_and_password_of_the_proxy_url_are_sent_only_to_the_proxy() {
    run(async || {
        // `us:er@` must be escaped in a URL; RFC 7617 §2: the first colon ends the user.
        let cases = [
            ("Aladdin:open%20sesame@", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("u%40x:p%3A%2Fs@", "Basic dUB4OnA6L3M="),
            ("user@", "Basic dXNlcjo="),
        ];
        for (user, credentials) in cases {
            let forwarder = Forwarder::wanting(credentials).await;
            let (listener, port) = listen().await;
            let server = async {
                let mut peer = Peer::of(&listener).await;
                let head = peer.head().await;
                assert!(!head.to_ascii_lowercase().contains("authorization"), "{head}");
                peer.write(upgraded("")).await;
                peer
            };
            let connect = connect(format!("ws://127.0.0.1:{port}/"))
                .config(sample_config())
                .proxy(url(&forwarder, user))
                .into_future();
            let (opened, _peer) = tokio::join!(connect, server);
            opened.unwrap();
            assert_eq!(forwarder.requests().len(), 1);
        }
    });
}

#[test]
fn user_of_the_server_url_is_not_sent_to_the_proxy() {
    run(async || {
        let forwarder = Forwarder::start().await;
        let port = echo_server(Config::server()).await;
        let connect = connect(format!("ws://user:secret@127.0.0.1:{port}/")).header("Cookie", "secret");
        connect.proxy(url(&forwarder, "")).await.unwrap();
        let head = forwarder.requests().concat().to_ascii_lowercase();
        assert!(!head.contains("authorization") && !head.contains("cookie"), "{head}");
    });
}

#[test]
fn wrong_or_missing_credentials_are_reported_with_the_challenge() {
    run(async || {
        let forwarder = Forwarder::wanting("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==").await;
        let port = echo_server(Config::server()).await;
        for user in ["", "Aladdin:wrong@", "Aladdin@"] {
            let connect = connect(format!("ws://127.0.0.1:{port}/")).proxy(url(&forwarder, user));
            let error = connect.await.unwrap_err();
            let ConnectError::Proxy(ProxyError::Authentication { challenge, .. }) = &error else { panic!("{error:?}") };
            assert_eq!(challenge.as_deref(), Some("Basic realm=\"out\""));
            let told = chain(&error);
            assert!(told.contains("407") && !told.contains("wrong"), "{told}");
        }
    });
}

#[test]
fn server_that_the_proxy_cannot_reach_is_a_502() {
    run(async || {
        let forwarder = Forwarder::start().await;
        let (listener, port) = listen().await;
        drop(listener);
        let error = connect(format!("ws://127.0.0.1:{port}/")).proxy(url(&forwarder, "")).await.unwrap_err();
        let ConnectError::Proxy(ProxyError::Refused { status, .. }) = &error else { panic!("{error:?}") };
        assert_eq!(*status, http::StatusCode::BAD_GATEWAY);
    });
}

#[test]
fn last_proxy_option_applies() {
    run(async || {
        let forwarder = Forwarder::start().await;
        let port = echo_server(Config::server()).await;
        let connect = connect(format!("ws://127.0.0.1:{port}/")).proxy(url(&forwarder, "")).no_proxy();
        let (mut socket, _) = connect.await.unwrap();
        echoes(&mut socket, "hello").await;
        assert!(forwarder.requests().is_empty());
    });
}

#[test]
fn server_closes_through_the_tunnel() {
    run(async || {
        let forwarder = Forwarder::start().await;
        let (listener, port) = listen().await;
        let server = async {
            let stream = listener.accept().await.unwrap().0;
            let Ok(mut socket) = tower_websocket::accept(stream, Config::server()).await else { panic!() };
            socket.close(CloseCode::GOING_AWAY, "bye").await.unwrap();
        };
        let client = async {
            let connect = connect(format!("ws://127.0.0.1:{port}/")).proxy(url(&forwarder, ""));
            let (mut socket, _) = connect.await.unwrap();
            assert!(socket.recv().await.is_none());
            socket.close_frame().cloned().unwrap()
        };
        let ((), close) = tokio::join!(server, client);
        assert_eq!((close.code, close.reason.as_str()), (CloseCode::GOING_AWAY, "bye"));
    });
}
