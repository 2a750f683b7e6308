//! Streams opened by custom connectors.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::{Future, pending};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};
use tokio::time::Instant;
use tower::{Service, service_fn};
use tower_websocket::client::{Connect, ConnectError};
use tower_websocket::{CloseCode, Config, connect};
use websocket_tests::chain::chain;

use crate::certificates::Authority;
use crate::forwarder::Forwarder;
use crate::http2_servers::Stack;
use crate::peer::{Peer, echo, echo_server, echoes, listen};
use crate::run::{run, run_paused};

type BoxError = Box<dyn Error + Send + Sync>;

/// Connects to an in-memory echo server, and records the URIs it was called with.
#[derive(Clone, Default)]
struct ToMemory {
    asked: Arc<Mutex<Vec<String>>>,
    /// The number of polls until it is ready.
    busy: usize,
    is_ready: bool,
}

impl Service<Uri> for ToMemory {
    type Response = TokioIo<DuplexStream>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.busy > 0 {
            self.busy -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called before it was ready");
        self.asked.lock().expect("no panic").push(uri.to_string());
        let (io, other) = tokio::io::duplex(64 * 1024);
        tokio::spawn(echo(other, Config::server()));
        std::future::ready(Ok(TokioIo::new(io)))
    }
}

/// Returns the text and source of the error for a failing connector.
async fn failure<E: Into<BoxError> + Send + 'static>(error: E) -> (String, io::Error) {
    let mut error = Some(error);
    let connector = service_fn(move |_: Uri| {
        let error = error.take().expect("called once");
        async { Err::<TokioIo<DuplexStream>, E>(error) }
    });
    match connect("ws://example.com/").connector(connector).await {
        Err(ConnectError::Io { host, error }) => (host, error),
        other => panic!("{other:?}"),
    }
}

#[test]
fn connector_is_called_with_only_host_and_port() {
    run(async || {
        for (url, expected) in [
            ("ws://example.com/a?b", "http://example.com:80/"),
            ("ws://example.com:8080", "http://example.com:8080/"),
            ("http://example.com/a", "http://example.com:80/"),
            ("ws://user:secret@example.com:81/a", "http://example.com:81/"),
            ("ws://[::1]/a", "http://[::1]:80/"),
            ("ws://[2001:db8::7]:81/a", "http://[2001:db8::7]:81/"),
            ("WS://example.com", "http://example.com:80/"),
            ("ws://[fe80::1%25eth0]/a", "http://[fe80::1%eth0]:80/"),
            ("ws://[fe80::1%eth0]:81/a", "http://[fe80::1%eth0]:81/"),
            ("ws://[fe80::1%251]:81/a", "http://[fe80::1%1]:81/"),
            ("ws://[fe80::1%25]/a", "http://[fe80::1%25]:80/"),
        ] {
            let connector = ToMemory::default();
            let (mut socket, _) = connect(url).connector(connector.clone()).await.unwrap();
            echoes(&mut socket, "hello").await;
            socket.close(CloseCode::NORMAL, "").await.unwrap();
            assert_eq!(*connector.asked.lock().unwrap(), [expected], "{url}");
        }
    });
}

#[test]
fn ipv6_zone_is_not_sent() {
    run_paused(async || {
        for zone in ["%25eth0", "%eth0", "%25et%2dh0"] {
            for proxy in [false, true] {
                let (io, other) = tokio::io::duplex(4096);
                let mut io = Some(TokioIo::new(io));
                let connector = service_fn(move |_: Uri| {
                    let io = io.take().expect("called once");
                    async { Ok::<_, Infallible>(io) }
                });
                let mut connect = connect(format!("ws://[fe80::1{zone}]:8080/")).connector(connector);
                if proxy {
                    connect = connect.proxy("http://proxy".parse().unwrap());
                }
                let mut peer = Peer::new(other);
                let (_, head) = tokio::join!(connect.into_future(), async move { peer.head().await });
                assert!(head.contains("Host: [fe80::1]:8080\r\n") && !head.contains("h0"), "{head}");
                assert_eq!(head.starts_with("CONNECT [fe80::1]:8080 HTTP/1.1\r\n"), proxy, "{head}");
            }
        }
    });
}

#[test]
fn invalid_ipv6_zone_is_an_error() {
    run(async || {
        for zone in ["%25%00", "%25a%20b", "%25%2f", "%25%ff", "%25]", "%25%5d"] {
            let error = connect(format!("ws://[fe80::1{zone}]:8080/")).await.unwrap_err();
            let is_it = matches!(error, ConnectError::Url(_) | ConnectError::MalformedUrl(_) | ConnectError::Io { .. });
            assert!(is_it, "{zone}: {error:?}");
        }
    });
}

#[test]
fn ipv6_zone_is_part_of_the_address_connected_to() {
    run(async || {
        let listener = TcpListener::bind("[::1]:0").await.expect("an IPv6 address");
        let port = listener.local_addr().unwrap().port();
        // Zones are for link-local addresses.
        for zone in ["%251", "%1"] {
            let client = connect(format!("ws://[::1{zone}]:{port}/")).into_future();
            let server = async {
                let (stream, _) = listener.accept().await.unwrap();
                echo(stream, Config::server()).await;
            };
            let client = async {
                let (mut socket, _) = client.await.unwrap();
                echoes(&mut socket, "hello").await;
                socket.close(CloseCode::NORMAL, "").await.unwrap();
            };
            tokio::join!(client, server);
        }
        for (zone, is_known) in [("lo", true), ("nowhere9", false)] {
            let connect = connect(format!("ws://[fe80::1%25{zone}]:{port}/")).timeout(Duration::from_secs(2));
            match connect.await.unwrap_err() {
                ConnectError::Io { host, error } => {
                    assert_eq!(host, format!("[fe80::1%{zone}]:{port}"));
                    assert_eq!(chain(&error).contains("lookup"), !is_known, "{error}");
                }
                error => assert!(is_known && matches!(error, ConnectError::TimedOut), "{error:?}"),
            }
        }
    });
}

#[test]
fn connector_is_called_with_the_proxy_if_there_is_one() {
    run_paused(async || {
        let trusted = Authority::new("any").trusted();
        for (proxy, expected) in [
            ("http://proxy", "http://proxy:80/"),
            ("http://user:secret@proxy:3128/path", "http://proxy:3128/"),
            ("https://proxy", "http://proxy:443/"),
            ("HTTPS://proxy:8443", "http://proxy:8443/"),
        ] {
            let connector = ToMemory::default();
            let connect = connect("wss://example.com/").proxy(proxy.parse().unwrap()).tls(trusted.clone());
            // A WebSocket echo server is not a proxy.
            connect.connector(connector.clone()).await.unwrap_err();
            assert_eq!(*connector.asked.lock().unwrap(), [expected], "{proxy}");
        }
    });
}

#[test]
fn connector_is_called_when_it_is_ready() {
    run(async || {
        let connector = ToMemory { busy: 5, ..ToMemory::default() };
        let (mut socket, _) = connect("ws://example.com/").connector(connector).await.unwrap();
        echoes(&mut socket, "hello").await;
    });
}

/// Never ready, but returns an error.
struct Broken;

impl Service<Uri> for Broken {
    type Response = TokioIo<DuplexStream>;
    type Error = io::Error;
    type Future = std::future::Ready<Result<Self::Response, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(ErrorKind::AddrNotAvailable.into()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        panic!("called, and was not ready");
    }
}

#[test]
fn connector_that_fails_to_become_ready_is_an_io_error() {
    run(async || {
        let error = connect("wss://example.com/").tls(Authority::new("any").trusted()).connector(Broken).await;
        let Err(ConnectError::Io { host, error }) = error else { panic!("{error:?}") };
        assert_eq!((&*host, error.kind()), ("example.com:443", ErrorKind::AddrNotAvailable));
    });
}

/// An error with a source.
#[derive(Debug)]
struct Wrapped<E>(E);

impl<E> fmt::Display for Wrapped<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it did not work")
    }
}

impl<E: Error + 'static> Error for Wrapped<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn connector_error_keeps_its_kind_and_text() {
    run(async || {
        let refused = || io::Error::new(ErrorKind::ConnectionRefused, "nobody there");
        let (host, error) = failure(refused()).await;
        assert_eq!(
            (&*host, error.kind(), &*chain(&error)),
            ("example.com:80", ErrorKind::ConnectionRefused, "nobody there")
        );
        let (_, error) = failure(BoxError::from(refused())).await;
        assert_eq!((error.kind(), &*chain(&error)), (ErrorKind::ConnectionRefused, "nobody there"));
        // The system's error is reported.
        for (_, error) in [failure(Wrapped(refused())).await, failure(Wrapped(Wrapped(refused()))).await] {
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            let told = chain(&error);
            assert!(told.starts_with("it did not work") && told.ends_with("nobody there"), "{told}");
        }
        let (_, error) = failure(Wrapped(fmt::Error)).await;
        assert!(error.kind() == ErrorKind::Other && chain(&error).starts_with("it did not work"), "{error}");
        let (_, error) = failure("just words").await;
        assert_eq!((error.kind(), &*chain(&error)), (ErrorKind::Other, "just words"));
    });
}

#[cfg(unix)]
#[test]
fn unix_socket_works_as_a_connector() {
    run(async || {
        let directory = std::env::temp_dir().join(format!("websocket-tests-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("echo");
        let listener = UnixListener::bind(&path).unwrap();
        tokio::spawn(async move { echo(listener.accept().await.unwrap().0, Config::server()).await });
        let connector = service_fn(move |_: Uri| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        let (mut socket, _) = connect("ws://localhost/").connector(connector).await.unwrap();
        echoes(&mut socket, &"long ".repeat(100_000)).await;
        socket.close(CloseCode::NORMAL, "").await.unwrap();
        std::fs::remove_dir_all(directory).unwrap();
    });
}

/// Connects to this port, whatever the host.
fn to(port: u16) -> impl Service<Uri, Response = TokioIo<TcpStream>, Error = io::Error, Future: Send> + Clone + Send {
    service_fn(move |_: Uri| async move { TcpStream::connect(("127.0.0.1", port)).await.map(TokioIo::new) })
}

#[test]
fn tls_and_tunnels_and_http_2_use_the_stream_of_the_connector() {
    run(async || {
        let authority = Authority::new("good");
        let port = crate::certificates::tls_echo_server(authority.acceptor(&["example.com"])).await;
        let (mut socket, _) = connect("wss://example.com/").tls(authority.trusted()).connector(to(port)).await.unwrap();
        echoes(&mut socket, "hello").await;
        let error = connect("wss://example.org/").tls(authority.trusted()).connector(to(port)).await.unwrap_err();
        assert!(matches!(&error, ConnectError::Tls { host, .. } if host == "example.org"), "{error:?}");
        let forwarder = Forwarder::start().await;
        let server = echo_server(Config::server()).await;
        let connect = connect(format!("ws://127.0.0.1:{server}/")).proxy("http://proxy".parse().unwrap());
        let (mut socket, _) = connect.connector(to(forwarder.port)).await.unwrap();
        echoes(&mut socket, "hello").await;
        assert_eq!(forwarder.requests().len(), 1);
        for stack in Stack::TWO {
            let server = stack.serve(Config::server()).await;
            let (mut socket, _) = server.connect().connector(to(server.port)).await.unwrap();
            echoes(&mut socket, "hello").await;
        }
    });
}

#[test]
fn last_connector_is_used_and_none_if_there_is_a_stream() {
    run(async || {
        let (io, other) = tokio::io::duplex(4096);
        tokio::spawn(echo(other, Config::server()));
        let (mut socket, _) = connect("ws://example.com/").connector(Broken).over(io).await.unwrap();
        echoes(&mut socket, "hello").await;
        let connect = connect("ws://example.com/").connector(Broken).connector(ToMemory::default());
        echoes(&mut connect.await.unwrap().0, "hello").await;
    });
}

/// macOS has only 127.0.0.1, unless it is configured.
#[cfg(not(target_os = "macos"))]
#[test]
fn hyper_connector_works_with_its_options() {
    run(async || {
        let (listener, port) = listen().await;
        let server = async {
            let (stream, from) = listener.accept().await.unwrap();
            tokio::spawn(echo(stream, Config::server()));
            from.ip()
        };
        let mut connector = HttpConnector::new();
        connector.set_local_address(Some([127, 0, 0, 2].into()));
        let client = connect(format!("ws://127.0.0.1:{port}/")).connector(connector).into_future();
        let (opened, from) = tokio::join!(client, server);
        echoes(&mut opened.unwrap().0, "hello").await;
        assert_eq!(from, Ipv4Addr::new(127, 0, 0, 2));
    });
}

#[test]
fn every_address_of_a_name_is_tried() {
    run(async || {
        let port = echo_server(Config::server()).await;
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
        let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        for addresses in [[v6, v4], [v4, v6]] {
            let resolver = service_fn(move |name: Name| async move {
                assert_eq!(name.as_str(), "both.example");
                Ok::<_, io::Error>(addresses.into_iter())
            });
            let connector = HttpConnector::new_with_resolver(resolver);
            let connect = connect(format!("ws://both.example:{port}/")).connector(connector);
            echoes(&mut connect.await.unwrap().0, "hello").await;
        }
    });
}

/// The host may have no name with addresses of both families.
#[test]
fn default_connector_tries_every_address_of_localhost() {
    run(async || {
        let addresses: Vec<_> = tokio::net::lookup_host(("localhost", 0)).await.unwrap().collect();
        for address in addresses {
            let listener = TcpListener::bind(address).await.unwrap();
            let port = listener.local_addr().unwrap().port();
            tokio::spawn(async move { echo(listener.accept().await.unwrap().0, Config::server()).await });
            echoes(&mut connect(format!("ws://localhost:{port}/")).await.unwrap().0, "hello").await;
        }
    });
}

/// Never completes, and notifies when it is dropped.
struct Endless(#[allow(dead_code, reason = "it is only dropped")] Peer);

impl Future for Endless {
    type Output = io::Result<TokioIo<DuplexStream>>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Pending
    }
}

#[test]
fn connector_that_exceeds_the_timeout_is_dropped() {
    run_paused(async || {
        let (io, other) = tokio::io::duplex(64);
        let mut io = Some(io);
        let connector = service_fn(move |_: Uri| Endless(Peer::new(io.take().expect("called once"))));
        let connect: Connect = connect("ws://example.com/").connector(connector).timeout(Duration::from_secs(3));
        let begin = Instant::now();
        assert!(matches!(connect.await, Err(ConnectError::TimedOut)));
        assert_eq!(begin.elapsed().as_secs(), 3);
        assert!(Peer::new(other).rest().await.is_empty());
        let connector = service_fn(|_: Uri| pending::<io::Result<TokioIo<DuplexStream>>>());
        let connect = crate::connectors::connect("ws://example.com/").http2().connector(connector);
        assert!(matches!(connect.http2_connection().await, Err(ConnectError::TimedOut)));
        assert_eq!(begin.elapsed().as_secs(), 13);
    });
}
