//! What a socket knows of its transport.

use std::io::ErrorKind;
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use axum_websocket::WebSocketUpgrade;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Request;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::ProtocolVersion;
use tower::{ServiceBuilder, service_fn};
use tower_websocket::client::{Http2Connection, TlsConfig};
use tower_websocket::{CloseCode, Config, WebSocket, WebSocketLayer, accept, connect, test};

use crate::run::{run, run_paused};
use crate::serve::{How, serve};
use crate::stacks::axum;
use crate::tls;

/// What the server's side knows, as a line of text.
fn known<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(socket: &WebSocket<T>) -> String {
    let session = socket.tls_session().map(|session| {
        assert!(session.peer_certificates.is_empty(), "the client was not asked for one");
        (session.alpn_protocol.map(|name| String::from_utf8(name).unwrap()), session.protocol_version)
    });
    let is_set = socket.set_tcp_nodelay(true).is_ok() && socket.set_tcp_keepalive(None).is_ok();
    format!("{:?} {:?} {is_set} {session:?}", socket.peer_addr(), socket.local_addr())
}

async fn tell(mut socket: WebSocket) {
    let known = known(&socket);
    let _ = socket.send(known).await;
    let _ = socket.close(CloseCode::NORMAL, "").await;
}

async fn told(socket: &mut WebSocket) -> String {
    socket.recv().await.unwrap().unwrap().to_text().unwrap().to_owned()
}

fn layer() -> WebSocketLayer<impl Fn(WebSocket, Request<()>) -> BoxFuture<'static, ()> + Clone + Send> {
    WebSocketLayer::new(|socket, _| tell(socket).boxed())
}

#[test]
fn addresses_are_known_over_tcp() {
    run(async || {
        let handler = async |ws: WebSocketUpgrade| ws.on_upgrade(tell);
        let port = axum(Router::new().fallback(any(handler))).await;
        let (mut socket, _) = connect(format!("ws://{}", port.addr)).await.unwrap();
        assert_eq!(socket.peer_addr(), Some(port.addr));
        assert_eq!(socket.tls_session(), None);
        let here = socket.local_addr();
        assert_eq!(told(&mut socket).await, format!("{here:?} {:?} true None", Some(port.addr)));
        while socket.recv().await.is_some() {}
        assert_eq!(socket.peer_addr(), None, "the connection has ended");
        assert_eq!(socket.set_tcp_nodelay(true).unwrap_err().kind(), ErrorKind::Unsupported);
    });
}

#[test]
fn session_is_known_over_tls() {
    run(async || {
        let service = ServiceBuilder::new().layer(layer()).service(service_fn(crate::stacks::inner));
        let port = serve(service, How::Tls).await;
        let expect = async |mut socket: WebSocket| {
            let session = socket.tls_session().unwrap();
            assert_eq!(session.alpn_protocol.as_deref(), Some(&b"http/1.1"[..]));
            assert_eq!(session.peer_certificates, [tls::certificate().clone()]);
            assert_eq!(session.protocol_version, Some(ProtocolVersion::TLSv1_3));
            assert!(!format!("{session:?}").contains("CertificateDer"));
            assert_eq!(socket.peer_addr(), Some(port.addr));
            let here = socket.local_addr();
            assert!(here.is_some());
            let session = r#"Some((Some("http/1.1"), Some(TLSv1_3)))"#;
            assert_eq!(told(&mut socket).await, format!("{here:?} {:?} true {session}", Some(port.addr)));
        };
        // The client's own TLS, and a stream of tokio-rustls.
        let tls = TlsConfig::from_rustls(tls::client_config());
        let url = format!("wss://localhost:{}", port.addr.port());
        expect(connect(url.as_str()).tls(tls).await.unwrap().0).await;
        let stream = tls::connect(TcpStream::connect(port.addr).await.unwrap(), "http/1.1").await;
        expect(connect(url).over(stream).await.unwrap().0).await;
    });
}

#[test]
fn session_is_known_to_accept() {
    run(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let accepting = tokio::spawn(async move {
            let stream = tls::acceptor().accept(listener.accept().await.unwrap().0).await.unwrap();
            accept(stream, Config::server()).await.unwrap()
        });
        let stream = tls::connect(TcpStream::connect(addr).await.unwrap(), "http/1.1").await;
        let (client, _) = connect("wss://localhost").over(stream).await.unwrap();
        let server = accepting.await.unwrap();
        assert_eq!((server.peer_addr(), server.local_addr()), (client.local_addr(), Some(addr)));
        assert_eq!(server.tls_session().unwrap().alpn_protocol.unwrap(), b"http/1.1");
    });
}

#[test]
fn options_of_tcp_are_set() {
    run(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let connecting = tokio::spawn(async move { connect(format!("ws://{addr}")).await.unwrap().0 });
        let stream = listener.accept().await.unwrap().0.into_std().unwrap();
        let same = stream.try_clone().unwrap();
        let socket = accept(TcpStream::from_std(stream).unwrap(), Config::server()).await.unwrap();
        let options = SockRef::from(&same);
        for is_set in [true, false] {
            socket.set_tcp_nodelay(is_set).unwrap();
            assert_eq!(options.tcp_nodelay().unwrap(), is_set);
        }
        socket.set_tcp_keepalive(Some(Duration::from_secs(7))).unwrap();
        assert!(options.keepalive().unwrap());
        // Windows does not return it.
        #[cfg(not(windows))]
        assert_eq!(options.tcp_keepalive_time().unwrap(), Duration::from_secs(7));
        socket.set_tcp_keepalive(None).unwrap();
        assert!(!options.keepalive().unwrap());
        drop(connecting.await.unwrap());
    });
}

#[test]
fn transport_is_not_known_over_http2_and_memory() {
    run_paused(async || {
        let (socket, _peer) = test::server("/", Config::server()).await;
        assert_eq!(known(&socket), "None None false None");
    });
    run(async || {
        let service = ServiceBuilder::new().layer(layer()).service(service_fn(crate::stacks::inner));
        let port = serve(service, How::Auto).await;
        let url = format!("ws://{}", port.addr);
        let connection: Http2Connection = connect(url.as_str()).http2_connection().await.unwrap();
        let (mut socket, _) = connect(url).on(&connection).await.unwrap();
        assert_eq!(socket.peer_addr(), None);
        assert_eq!(told(&mut socket).await, "None None false None");
    });
}
