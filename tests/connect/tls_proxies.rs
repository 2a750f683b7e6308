//! Connections through a proxy that is reached over TLS, and reporting of tunnels.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{StatusCode, Uri, header};
use tower_websocket::client::{Connect, ConnectError, ProxyError, TlsConfig};
use tower_websocket::{CloseCode, Config, connect};

use crate::certificates::{Authority, tls_echo_server};
use crate::forwarder::Forwarder;
use crate::http2_servers::Stack;
use crate::peer::{Peer, echo_server, echoes, listen, sample_config, upgraded};
use crate::run::run;

/// Starts a proxy with a certificate of this authority for `localhost`.
async fn proxy(authority: &Authority) -> (Forwarder, Uri) {
    let forwarder = Forwarder::behind_tls(None, authority.speaking(b"http/1.1")).await;
    let url = url(&forwarder, "");
    (forwarder, url)
}

fn url(forwarder: &Forwarder, user: &str) -> Uri {
    format!("https://{user}localhost:{}", forwarder.port).parse().expect("a URL")
}

/// Records the responses of proxies.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Answer>>>);

/// The status and the `Via` header.
type Answer = (StatusCode, Option<String>);

impl Told {
    fn by(&self, connect: Connect) -> Connect {
        let told = self.0.clone();
        connect.on_tunnel(move |answer| {
            let via = answer.headers().get(header::VIA).map(|via| via.to_str().expect("text").to_owned());
            told.lock().expect("no panic").push((answer.status(), via));
        })
    }

    fn all(&self) -> Vec<Answer> {
        self.0.lock().expect("no panic").clone()
    }
}

#[test]
fn ws_uses_a_proxy_behind_tls() {
    run(async || {
        let authority = Authority::new("good");
        let (forwarder, proxy) = proxy(&authority).await;
        let port = echo_server(Config::server()).await;
        let connect = connect(format!("ws://127.0.0.1:{port}/")).proxy(proxy).tls(authority.trusted());
        let (mut socket, _) = connect.await.unwrap();
        echoes(&mut socket, "hello").await;
        echoes(&mut socket, &"long ".repeat(100_000)).await;
        socket.close(CloseCode::NORMAL, "").await.unwrap();
        assert_eq!(socket.close_frame().map(|close| close.code), Some(CloseCode::NORMAL));
        assert!(forwarder.requests().concat().starts_with(&format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n")));
    });
}

#[test]
fn wss_uses_a_proxy_behind_tls_with_tls_in_tls() {
    run(async || {
        let (for_proxy, for_server) = (Authority::new("proxy"), Authority::new("server"));
        let (forwarder, proxy) = proxy(&for_proxy).await;
        let port = tls_echo_server(for_server.acceptor(&["127.0.0.1"])).await;
        let connect = || connect(format!("wss://127.0.0.1:{port}/")).proxy(proxy.clone());
        let both = TlsConfig::with_authorities([for_proxy.der(), for_server.der()]).unwrap();
        let (mut socket, _) = connect().tls(both).await.unwrap();
        echoes(&mut socket, "hello").await;
        echoes(&mut socket, &"long ".repeat(100_000)).await;
        socket.close(CloseCode::NORMAL, "").await.unwrap();
        assert_eq!(forwarder.requests().len(), 1);
        // Each certificate is verified, and the error names its host.
        let error = connect().tls(for_proxy.trusted()).await.unwrap_err();
        assert!(matches!(&error, ConnectError::Tls { host, .. } if host == "127.0.0.1"), "{error:?}");
        assert_eq!(forwarder.requests().len(), 2);
        let error = connect().tls(for_server.trusted()).await.unwrap_err();
        assert!(matches!(&error, ConnectError::Tls { host, .. } if host == "localhost"), "{error:?}");
        assert_eq!(forwarder.requests().len(), 2, "who is not trusted is told nothing");
        assert!(!error.is_transient());
    });
}

/// The proxy is always used with HTTP/1.1, since CONNECT is an HTTP/1.1 request.
#[test]
fn http_2_uses_a_proxy_behind_tls() {
    run(async || {
        for stack in Stack::TWO {
            let server = stack.serve(Config::server()).await;
            let for_proxy = Authority::new("proxy");
            let (forwarder, proxy) = proxy(&for_proxy).await;
            let tls = server.trusted_with(for_proxy.der());
            let (mut socket, _) = server.connect().proxy(proxy).tls(tls).await.unwrap();
            echoes(&mut socket, "hello").await;
            socket.close(CloseCode::NORMAL, "").await.unwrap();
            assert_eq!(forwarder.requests().len(), 1);
        }
    });
}

#[test]
fn proxy_with_a_certificate_for_another_host_is_not_trusted() {
    run(async || {
        let authority = Authority::new("good");
        let (forwarder, _) = proxy(&authority).await;
        let other: Uri = format!("https://user:secret@127.0.0.1:{}", forwarder.port).parse().unwrap();
        for url in ["ws://example.com/", "wss://example.com/"] {
            let error = connect(url).proxy(other.clone()).tls(authority.trusted()).await.unwrap_err();
            assert!(matches!(&error, ConnectError::Tls { host, .. } if host == "127.0.0.1"), "{error:?}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
        }
        assert!(forwarder.requests().is_empty());
    });
}

#[test]
fn credentials_of_the_proxy_url_are_sent_over_tls() {
    run(async || {
        let authority = Authority::new("good");
        let credentials = Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let forwarder = Forwarder::behind_tls(credentials, authority.speaking(b"http/1.1")).await;
        let port = echo_server(Config::server()).await;
        let connect = |user: &str| {
            connect(format!("ws://127.0.0.1:{port}/")).proxy(url(&forwarder, user)).tls(authority.trusted())
        };
        echoes(&mut connect("Aladdin:open%20sesame@").await.unwrap().0, "hello").await;
        let error = connect("").await.unwrap_err();
        let ConnectError::Proxy(ProxyError::Authentication { challenge, .. }) = &error else { panic!("{error:?}") };
        assert_eq!(challenge.as_deref(), Some("Basic realm=\"out\""));
    });
}

#[test]
fn proxy_without_tls_is_reported_by_name() {
    run(async || {
        let forwarder = Forwarder::start().await;
        let (listener, port) = listen().await;
        let told = Told::default();
        let connect =
            |proxy: Uri| told.by(connect("ws://example.com/")).proxy(proxy).tls(Authority::new("any").trusted());
        let plain = async {
            let mut peer = Peer::of(&listener).await;
            peer.some().await;
            peer.write("HTTP/1.1 400 Bad Request\r\n\r\n").await;
        };
        let (opened, ()) =
            tokio::join!(connect(format!("https://localhost:{port}").parse().unwrap()).into_future(), plain);
        assert!(matches!(opened.unwrap_err(), ConnectError::Tls { host, .. } if host == "localhost"));
        // A server that waits for the end of a head, which TLS data does not have.
        let error = connect(url(&forwarder, "")).timeout(Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(error, ConnectError::TimedOut), "{error:?}");
        assert!(told.all().is_empty());
    });
}

#[test]
fn tunnel_response_is_reported_once_and_before_the_handshake() {
    run(async || {
        let (listener, port) = listen().await;
        let told = Told::default();
        let proxy_url = format!("http://127.0.0.1:{port}").parse().unwrap();
        let client = told.by(connect("ws://example.com/")).config(sample_config()).proxy(proxy_url).into_future();
        let proxy = async {
            let mut peer = Peer::of(&listener).await;
            peer.head().await;
            assert!(told.all().is_empty(), "there is no tunnel yet");
            peer.write("HTTP/1.1 207 Fine\r\nVia: 1.1 proxy\r\n\r\n").await;
            peer.head().await;
            let expected = (StatusCode::MULTI_STATUS, Some("1.1 proxy".to_owned()));
            assert_eq!(told.all(), [expected], "the tunnel stands, and the server has not answered");
            peer.write(upgraded("Via: 1.1 server\r\n")).await;
            peer
        };
        let (opened, _peer) = tokio::join!(client, proxy);
        opened.unwrap();
        assert_eq!(told.all().len(), 1);
    });
}

#[test]
fn tunnel_response_is_reported_for_every_tunnel() {
    run(async || {
        let authority = Authority::new("good");
        let port = tls_echo_server(authority.acceptor(&["localhost"])).await;
        let (behind_tls, secure) = proxy(&authority).await;
        let plain = Forwarder::start().await;
        let plain_url: Uri = format!("http://127.0.0.1:{}", plain.port).parse().unwrap();
        let told = Told::default();
        for proxy in [&secure, &plain_url] {
            let connect = told.by(connect(format!("wss://localhost:{port}/"))).proxy(proxy.clone());
            connect.tls(authority.trusted()).await.unwrap();
        }
        let server = Stack::Axum.serve(Config::server()).await;
        let connection = told.by(server.connect()).proxy(plain_url).http2_connection().await.unwrap();
        // There is no tunnel to report on an existing connection.
        told.by(server.connect()).on(&connection).await.unwrap();
        let expected = (StatusCode::OK, Some("1.1 forwarder".to_owned()));
        assert_eq!(told.all(), [expected.clone(), expected.clone(), expected]);
        assert_eq!((behind_tls.requests().len(), plain.requests().len()), (1, 2));
    });
}

#[test]
fn tunnel_callback_is_not_called_without_a_tunnel() {
    run(async || {
        let told = Told::default();
        let port = echo_server(Config::server()).await;
        told.by(connect(format!("ws://127.0.0.1:{port}/"))).await.unwrap();
        let forwarder = Forwarder::wanting("Basic nothing").await;
        let proxy: Uri = format!("http://127.0.0.1:{}", forwarder.port).parse().unwrap();
        told.by(connect(format!("ws://127.0.0.1:{port}/"))).proxy(proxy).await.unwrap_err();
        let forwarder = Forwarder::start().await;
        let proxy: Uri = format!("http://127.0.0.1:{}", forwarder.port).parse().unwrap();
        let (listener, nobody) = listen().await;
        drop(listener);
        told.by(connect(format!("ws://127.0.0.1:{nobody}/"))).proxy(proxy).await.unwrap_err();
        assert!(told.all().is_empty());
    });
}

/// A `wss:` URL or a proxy over TLS without trust anchors fails before anything is sent.
#[test]
fn connect_without_roots_connects_to_nothing() {
    run(async || {
        let (listener, port) = listen().await;
        let proxy: Uri = format!("http://127.0.0.1:{port}").parse().unwrap();
        let secure: Uri = format!("HTTPS://127.0.0.1:{port}").parse().unwrap();
        for connect in [
            connect(format!("wss://127.0.0.1:{port}/")),
            connect(format!("WSS://127.0.0.1:{port}/")),
            connect(format!("https://127.0.0.1:{port}/")),
            connect(format!("wss://127.0.0.1:{port}/")).http2(),
            connect("wss://example.com/").proxy(proxy),
            connect("ws://example.com/").proxy(secure.clone()),
            connect("ws://example.com/").proxy(secure).http2(),
        ] {
            let error = match connect.timeout(Duration::from_millis(100)).await {
                Err(error @ ConnectError::NoTls) => error,
                // Another member of the workspace has enabled roots in this build.
                Err(ConnectError::Tls { .. } | ConnectError::TimedOut) => return,
                other => panic!("{other:?}"),
            };
            assert!(!error.is_transient());
        }
        let second = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        // Connections are accepted in order.
        assert_eq!(listener.accept().await.unwrap().1, second.local_addr().unwrap());
    });
}

#[test]
fn proxy_scheme_in_upper_case_is_secure() {
    run(async || {
        let authority = Authority::new("good");
        let port = tls_echo_server(authority.acceptor(&["localhost"])).await;
        for scheme in ["WSS", "Wss", "HTTPS"] {
            let connect = connect(format!("{scheme}://localhost:{port}/")).tls(authority.trusted());
            echoes(&mut connect.await.unwrap().0, "hello").await;
        }
    });
}
