//! Scripted proxies that establish no tunnel, or an untrustworthy one.

use std::time::Duration;

use futures_util::FutureExt;
use http::{StatusCode, Uri};
use tower_websocket::client::{ConnectError, ProxyError, TlsConfig, UrlError};
use tower_websocket::connect;
use tower_websocket::server::HeadError;
use websocket_tests::chain::chain;
use websocket_tests::wire::Frame;

use crate::certificates::Authority;
use crate::peer::{Peer, listen, sample_config, upgraded};
use crate::run::run;

/// Returns the client's error for a proxy's response, after which the proxy closes the connection.
async fn failure(answer: impl AsRef<[u8]>) -> ConnectError {
    let (listener, port) = listen().await;
    let proxy = async {
        let mut peer = Peer::of(&listener).await;
        peer.head().await;
        // The client may have closed the connection already.
        let _ = peer.try_write(answer).await;
    };
    let proxy_url = format!("http://user:secret@127.0.0.1:{port}").parse().unwrap();
    let (opened, ()) = tokio::join!(connect("ws://example.com/").proxy(proxy_url).into_future(), proxy);
    opened.map(drop).expect_err("no tunnel")
}

#[test]
fn refusal_has_the_status() {
    run(async || {
        for (line, status) in [
            ("HTTP/1.1 502 Bad Gateway", StatusCode::BAD_GATEWAY),
            ("HTTP/1.0 403 Forbidden", StatusCode::FORBIDDEN),
            ("HTTP/1.1 101 Switching Protocols", StatusCode::SWITCHING_PROTOCOLS),
            ("HTTP/1.1 301 Moved Permanently", StatusCode::MOVED_PERMANENTLY),
        ] {
            let error = failure(format!("{line}\r\nContent-Length: 0\r\n\r\n")).await;
            let is_it =
                matches!(error, ConnectError::Proxy(ProxyError::Refused { status: told, .. }) if told == status);
            assert!(is_it, "{line}: {error:?}");
        }
    });
}

#[test]
fn refusal_407_without_a_challenge_is_reported() {
    run(async || {
        let error = failure("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
        assert!(matches!(error, ConnectError::Proxy(ProxyError::Authentication { challenge: None, .. })), "{error:?}");
    });
}

#[test]
fn proxy_refusal_keeps_headers_and_retry_after() {
    run(async || {
        for line in ["403 Forbidden", "407 Proxy Authentication Required"] {
            let error = failure(format!("HTTP/1.1 {line}\r\nRetry-After: 7\r\nX-Own: a\r\nX-Own: b\r\n\r\n")).await;
            assert_eq!(error.retry_after(), Some(Duration::from_secs(7)), "{line}");
            assert!(error.is_transient(), "{line}");
            let (ConnectError::Proxy(ProxyError::Refused { headers, .. })
            | ConnectError::Proxy(ProxyError::Authentication { headers, .. })) = error
            else {
                panic!("{error:?}")
            };
            assert_eq!(headers.get_all("x-own").iter().collect::<Vec<_>>(), ["a", "b"], "{line}");
        }
    });
}

#[test]
fn proxy_challenges_are_all_reported() {
    run(async || {
        let error = failure(
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Negotiate\r\n\
             Proxy-Authenticate: NTLM\r\nProxy-Authenticate: Basic realm=\"out\"\r\n\r\n",
        )
        .await;
        let ConnectError::Proxy(ProxyError::Authentication { challenge, .. }) = &error else { panic!("{error:?}") };
        assert_eq!(challenge.as_deref(), Some("Negotiate, NTLM, Basic realm=\"out\""));
        assert!(chain(&error).contains("Negotiate, NTLM, Basic"), "{error}");
    });
}

#[test]
fn proxy_that_ends_without_a_response_is_reported() {
    run(async || {
        for answer in ["", "HTTP/1.1 200 Connection established\r\n"] {
            let error = failure(answer).await;
            assert!(matches!(error, ConnectError::Proxy(ProxyError::Ended)), "{answer:?}: {error:?}");
        }
    });
}

#[test]
fn response_that_is_not_http_or_too_long_is_reported() {
    run(async || {
        let error = failure("SOCKS?\r\n\r\n").await;
        assert!(matches!(error, ConnectError::Proxy(ProxyError::Head(HeadError::Malformed))), "{error:?}");
        let error = failure(format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(100_000))).await;
        assert!(matches!(error, ConnectError::Proxy(ProxyError::Head(HeadError::TooLarge { .. }))), "{error:?}");
    });
}

#[test]
fn unreachable_proxy_is_reported_without_its_password() {
    run(async || {
        let (listener, port) = listen().await;
        drop(listener);
        let proxy: Uri = format!("http://user:secret@127.0.0.1:{port}").parse().unwrap();
        let error = connect("ws://example.com/").proxy(proxy).await.unwrap_err();
        let ConnectError::Io { host, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*host, format!("127.0.0.1:{port}"));
    });
}

#[test]
fn proxy_that_resets_the_connection_is_reported_without_its_password() {
    run(async || {
        let (listener, port) = listen().await;
        let proxy = async {
            let (stream, _) = listener.accept().await.unwrap();
            assert_eq!(stream.peek(&mut [0]).await.unwrap(), 1);
            // Makes the end a reset.
            stream.set_zero_linger().unwrap();
        };
        let proxy_url = format!("http://user:secret@127.0.0.1:{port}").parse().unwrap();
        let (opened, ()) = tokio::join!(connect("ws://example.com/").proxy(proxy_url).into_future(), proxy);
        let error = opened.unwrap_err();
        assert!(matches!(error, ConnectError::Io { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    });
}

#[test]
fn proxy_url_must_be_http() {
    run(async || {
        let (_listener, port) = listen().await;
        for scheme in ["socks5", "ws", "ftp"] {
            let proxy = format!("{scheme}://127.0.0.1:{port}").parse().unwrap();
            let error = connect("ws://example.com/").proxy(proxy).await.unwrap_err();
            assert!(matches!(error, ConnectError::Url(UrlError::Scheme { .. })), "{scheme}: {error:?}");
        }
    });
}

#[test]
fn proxy_behind_tls_is_sent_no_password_in_cleartext() {
    run(async || {
        let (listener, port) = listen().await;
        let proxy = async {
            let mut peer = Peer::new(listener.accept().await.unwrap().0);
            let sent = peer.some().await;
            assert!(!sent.starts_with(b"CONNECT"), "{:?}", String::from_utf8_lossy(&sent));
        };
        let url = format!("https://user:secret@127.0.0.1:{port}").parse().unwrap();
        let connect = connect("ws://example.com/").proxy(url).tls(Authority::new("any").trusted()).into_future();
        // Rejecting such URLs is acceptable as well.
        tokio::select! {
            opened = connect => assert!(opened.is_err()),
            () = proxy => {}
        }
    });
}

#[test]
fn data_following_the_response_of_the_proxy_belongs_to_the_server() {
    run(async || {
        let (listener, port) = listen().await;
        let proxy = async {
            let mut peer = Peer::of(&listener).await;
            peer.head().await;
            // RFC 9110 §9.3.6: a length, which does not apply to a tunnel, is ignored.
            let tunnel = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
            let hello = Frame::text("hello").unmasked().bytes();
            peer.write([tunnel.as_bytes(), upgraded("").as_bytes(), &hello].concat()).await;
            peer
        };
        let proxy_url = format!("http://127.0.0.1:{port}").parse().unwrap();
        let connect = connect("ws://example.com/").config(sample_config()).proxy(proxy_url).into_future();
        let (opened, mut peer) = tokio::join!(connect, proxy);
        let (mut socket, _) = opened.unwrap();
        assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("hello"));
        socket.flush().await.unwrap();
        assert!(peer.head().await.starts_with("GET / HTTP/1.1\r\n"), "and the request goes through the tunnel");
    });
}

/// Data received before TLS is not authenticated. It must not become part of the server's response.
#[test]
fn data_of_a_proxy_before_tls_does_not_belong_to_the_server() {
    run(async || {
        let authority = Authority::new("good");
        let acceptor = authority.acceptor(&["localhost"]);
        let (listener, port) = listen().await;
        let proxy = async {
            let mut peer = Peer::of(&listener).await;
            peer.head().await;
            let injected = "HTTP/1.1 101 Switching Protocols\r\nSet-Cookie: injected\r\nX: ";
            peer.write(format!("HTTP/1.1 200 OK\r\n\r\n{injected}")).await;
            // The server, which is not aware of it.
            let Ok(stream) = acceptor.accept(peer.into_io()).await else { return };
            let mut server = Peer::new(stream);
            server.head().await;
            server.write(upgraded("")).await;
        };
        let proxy_url = format!("http://127.0.0.1:{port}").parse().unwrap();
        let connect = connect("wss://localhost/").config(sample_config()).proxy(proxy_url).tls(authority.trusted());
        let (opened, ()) = tokio::join!(connect.into_future(), proxy);
        if let Ok((_, response)) = opened {
            panic!("the answer was changed: {:?}", response.headers());
        }
    });
}

#[test]
fn invalid_proxy_url_is_reported_without_connecting() {
    run(async || {
        for scheme in ["http", "https"] {
            let (listener, port) = listen().await;
            let proxy: Uri = format!("{scheme}://user%0a@127.0.0.1:{port}").parse().unwrap();
            let tls = TlsConfig::with_authorities([]).unwrap();
            let error = connect("ws://example.com/").proxy(proxy).tls(tls).await.map(drop).expect_err("no proxy");
            assert!(matches!(error, ConnectError::Url(UrlError::Characters)), "{error:?}");
            assert!(listener.accept().now_or_never().is_none(), "nobody comes");
        }
    });
}
