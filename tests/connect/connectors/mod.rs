//! Streams opened by custom connectors.

mod failures;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};
use tower::{Service, service_fn};
use tower_websocket::client::ConnectError;
use tower_websocket::{CloseCode, Config, connect};

use crate::certificates::Authority;
use crate::forwarder::Forwarder;
use crate::http2_servers::Stack;
use crate::peer::{echo, echo_server, echoes, listen};
use crate::run::{run, run_paused};

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
