//! An axum server on TLS, with HTTP/1.1 and HTTP/2, without a proxy in front of it.
//!
//! ```text
//! openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost \
//!     -keyout key.pem -out cert.pem
//! cargo run --example tls_server -- cert.pem key.pem
//! cargo run --example wsx -- wss://localhost:3443/ws --ca cert.pem
//! ```

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use axum::routing::any;
use axum_websocket::WebSocketUpgrade;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut files = std::env::args().skip(1);
    let (Some(certificates), Some(key)) = (files.next(), files.next()) else {
        return Err("usage: tls_server CERTIFICATES KEY (files in PEM)".into());
    };
    let certificates = CertificateDer::pem_file_iter(certificates)?.collect::<Result<_, _>>()?;
    let acceptor = acceptor(certificates, PrivateKeyDer::from_pem_file(key)?)?;
    let listener = TcpListener::bind("127.0.0.1:3443").await?;
    println!("listening on https://{}/", listener.local_addr()?);
    serve(listener, acceptor, Router::new().route("/ws", any(echo))).await
}

fn acceptor(
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<TlsAcceptor, Box<dyn Error>> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, app: Router) -> Result<(), Box<dyn Error>> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(LIMIT);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .enable_connect_protocol()
        .initial_connection_window_size((1 << 31) - 1);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, mostly.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (server, acceptor, app) = (server.clone(), acceptor.clone(), app.clone());
        tokio::spawn(async move { serve_connection(&server, &acceptor, app, stream).await });
    }
}

async fn serve_connection(
    server: &auto::Builder<TokioExecutor>,
    acceptor: &TlsAcceptor,
    app: Router,
    stream: TcpStream,
) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    // Clients that do not complete the TLS handshake are dropped.
    let stream = timeout(LIMIT, acceptor.accept(stream)).await.ok()?.ok()?;
    server.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(app)).await.ok()
}

async fn echo(ws: WebSocketUpgrade) -> Response {
    ws.on_upgrade(async |mut socket| {
        while let Some(Ok(message)) = socket.recv().await {
            if socket.send(message).await.is_err() {
                break;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use tower_websocket::client::TlsConfig;
    use tower_websocket::connect;

    use super::*;

    #[tokio::test]
    async fn messages_come_back_over_both_versions_of_http() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("wss://localhost:{}/ws", listener.local_addr().unwrap().port());
        let acceptor = acceptor(vec![certificate.clone()], key).unwrap();
        let app = Router::new().route("/ws", any(echo));
        tokio::spawn(async move { serve(listener, acceptor, app).await.map_err(|error| error.to_string()) });

        let tls = TlsConfig::with_authorities([certificate]).unwrap();
        for (connect, status) in [(connect(&url), 101), (connect(&url).http2(), 200)] {
            let (mut socket, response) = connect.tls(tls.clone()).await.unwrap();
            assert_eq!(response.status(), status);
            socket.send("hello").await.unwrap();
            assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("hello"));
        }
    }
}
