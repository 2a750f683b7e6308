//! Failures to connect: each has its own error, and invalid arguments are reported without
//! connecting.

use std::io::ErrorKind;

use http::{HeaderName, Uri, header};
use tower_websocket::client::{ConnectError, ResponseFault, TlsConfig, UrlError};
use tower_websocket::error::{ProtocolError, UsageError};
use tower_websocket::{WebSocket, connect};
use websocket_tests::chain::chain;

use crate::peer::{Peer, listen};
use crate::run::run;

async fn failure(connect: tower_websocket::client::Connect) -> ConnectError {
    connect.await.map(|_: (WebSocket, _)| ()).expect_err("no connection")
}

#[test]
fn unused_port_is_refused() {
    run(async || {
        let (listener, port) = listen().await;
        drop(listener);
        let error = failure(connect(format!("ws://127.0.0.1:{port}/"))).await;
        assert!(chain(&error).contains(&format!("127.0.0.1:{port}")), "{error}");
        let ConnectError::Io { error, .. } = error else { panic!("{error:?}") };
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn unknown_host_name_is_reported() {
    run(async || {
        // RFC 6761 §6.4: it does not exist. A label of more than 63 bytes is not even resolved.
        let host = format!("{}.invalid", "a".repeat(64));
        let error = failure(connect(format!("ws://{host}/"))).await;
        assert!(matches!(&error, ConnectError::Io { host: told, .. } if *told == format!("{host}:80")), "{error:?}");
        let tls = TlsConfig::with_authorities([]).unwrap();
        let error = failure(connect(format!("wss://{host}/")).tls(tls)).await;
        assert!(matches!(&error, ConnectError::Io { host: told, .. } if *told == format!("{host}:443")), "{error:?}");
    });
}

#[test]
fn invalid_url_is_malformed() {
    run(async || {
        for text in ["", "ws://", "ws://exa mple.com/", "ws://[::1", "ws://example.com/\n"] {
            let error = failure(connect(text)).await;
            assert!(matches!(error, ConnectError::MalformedUrl(_)), "{text}: {error:?}");
        }
    });
}

#[test]
fn malformed_url_error_has_a_hint_at_its_characters() {
    run(async || {
        for text in
            ["ws://exämple.com/", "ws://日本.example/a", "ws://exa mple.com/", "ws://example.com/a b", "ws://ä@b/"]
        {
            let error = failure(connect(text)).await;
            let told = chain(&error);
            assert!(matches!(error, ConnectError::MalformedUrl(_)), "{text}: {error:?}");
            assert!(told.contains("punycode") && told.contains("percent-encoded"), "{text}: {told}");
        }
        for text in ["", "ws://"] {
            assert!(!failure(connect(text)).await.to_string().contains("punycode"), "{text}");
        }
    });
}

#[test]
fn url_with_another_scheme_is_refused() {
    run(async || {
        for text in ["ftp://example.com/", "file://example.com/", "/chat", "example.com", "example.com:80", "*"] {
            let error = failure(connect(text)).await;
            assert!(matches!(error, ConnectError::Url(UrlError::Scheme { .. })), "{text}: {error:?}");
        }
    });
}

#[test]
fn url_must_have_a_host_and_a_user_without_control_characters() {
    run(async || {
        let error = failure(connect("ws://user@:80/")).await;
        assert!(matches!(error, ConnectError::Url(UrlError::Host) | ConnectError::MalformedUrl(_)), "{error:?}");
        let error = failure(connect("ws://user%0d%0aX:y@example.com/")).await;
        assert!(matches!(error, ConnectError::Url(UrlError::Characters)), "{error:?}");
    });
}

#[test]
fn invalid_port_is_not_replaced_by_the_default() {
    run(async || {
        for port in ["port", "99999", "-1", "1a"] {
            let error = failure(connect(format!("ws://127.0.0.1:{port}/"))).await;
            let is_it = matches!(error, ConnectError::MalformedUrl(_) | ConnectError::Url(_));
            assert!(is_it, "{port}: {error:?}");
        }
    });
}

#[test]
fn malformed_header_is_reported() {
    run(async || {
        for (name, value) in [("a b", "c"), ("", "c"), ("a", "b\r\nc: d"), ("a:", "b")] {
            let error = failure(connect("ws://127.0.0.1:1/").header(name, value).header("fine", "fine")).await;
            assert!(matches!(error, ConnectError::MalformedHeader(_)), "{name}: {value}: {error:?}");
        }
    });
}

#[test]
fn reserved_header_cannot_be_set() {
    run(async || {
        let reserved = [
            header::HOST,
            header::CONNECTION,
            header::UPGRADE,
            header::CONTENT_LENGTH,
            header::TRANSFER_ENCODING,
            header::SEC_WEBSOCKET_KEY,
            header::SEC_WEBSOCKET_VERSION,
            header::SEC_WEBSOCKET_PROTOCOL,
            header::SEC_WEBSOCKET_EXTENSIONS,
        ];
        for name in reserved {
            let error = failure(connect("ws://127.0.0.1:1/").header(&name, "x")).await;
            let is_it = |told: &HeaderName| *told == name;
            let told = matches!(&error, ConnectError::Header(UsageError::ReservedHeader(told)) if is_it(told));
            assert!(told, "{name}: {error:?}");
        }
    });
}

#[test]
fn first_error_is_reported() {
    run(async || {
        let error = failure(connect("ws://").header("a b", "c")).await;
        assert!(matches!(error, ConnectError::MalformedUrl(_)), "{error:?}");
    });
}

#[test]
fn subprotocol_must_be_a_token() {
    run(async || {
        // RFC 6455 §4.1, item 10. It is not an error of the URL.
        for name in ["", "a b", "a,b", "a\r\nX: y", "ä"] {
            let error = failure(connect("ws://127.0.0.1:1/").protocols([name])).await;
            assert!(!matches!(error, ConnectError::Url(_) | ConnectError::Io { .. }), "{name:?}: {error:?}");
        }
    });
}

#[test]
fn server_that_ends_without_a_response_is_reported() {
    run(async || {
        for answer in ["", "H", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: webs"] {
            let (listener, port) = listen().await;
            let server = async {
                let mut peer = Peer::of(&listener).await;
                peer.head().await;
                peer.write(answer).await;
            };
            let (error, ()) = tokio::join!(failure(connect(format!("ws://127.0.0.1:{port}/"))), server);
            let ConnectError::Refused(ProtocolError::Response(error)) = error else { panic!("{answer:?}: {error:?}") };
            assert_eq!(error.fault, ResponseFault::Ended, "{answer:?}");
        }
    });
}

#[test]
fn server_that_resets_the_connection_is_an_io_error() {
    run(async || {
        let (listener, port) = listen().await;
        let server = async {
            let mut peer = Peer::of(&listener).await;
            // Closing with unread input causes a reset.
            peer.bytes(1).await;
            peer.write("HTTP/1.1 ").await;
        };
        // More than the peer reads at once.
        let mut connect = connect(format!("ws://127.0.0.1:{port}/"));
        for _ in 0..64 {
            connect = connect.header("x-long", "x".repeat(4096));
        }
        let (error, ()) = tokio::join!(failure(connect), server);
        let ConnectError::Io { host, error } = error else { panic!("{error:?}") };
        assert_eq!(host, format!("127.0.0.1:{port}"));
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error:?}");
    });
}

#[test]
fn future_can_be_spawned() {
    run(async || {
        let uri: Uri = "ftp://example.com".parse().unwrap();
        let spawned = tokio::spawn(connect(uri).into_future());
        assert!(spawned.await.unwrap().is_err());
    });
}
