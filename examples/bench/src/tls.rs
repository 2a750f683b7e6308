//! TLS for servers, with a certificate created at startup. Both sides support only one cipher
//! suite, so that all servers do the same work.

use std::error::Error;
use std::io;
use std::sync::Arc;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::crypto::ring::{self, cipher_suite};
use tokio_rustls::server::TlsStream;

use crate::server::connections;

/// The name in the certificate.
pub const NAME: &str = "localhost";

/// Returns the cryptography of servers and load generator: TLS 1.3 with AES-128-GCM, by ring.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { cipher_suites: vec![cipher_suite::TLS13_AES_128_GCM_SHA256], ..ring::default_provider() })
}

/// Creates a certificate, and returns an acceptor that uses it.
///
/// # Errors
///
/// If there is no randomness.
pub fn acceptor() -> Result<TlsAcceptor, Box<dyn Error>> {
    let identity = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    let key = identity.signing_key.serialize_der();
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.der().clone()], key.try_into()?)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves each connection in a separate task, like [`server::connections`](connections), after its
/// TLS handshake.
///
/// # Errors
///
/// Never.
pub async fn tls_connections<F>(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    serve: impl Fn(TlsStream<TcpStream>) -> F + Clone + Send + 'static,
) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    connections(listener, move |stream| {
        let (acceptor, serve) = (acceptor.clone(), serve.clone());
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream).await;
            }
        }
    })
    .await
}

/// Serves an application of axum, as its example `low-level-rustls` does.
///
/// # Errors
///
/// Never.
pub async fn serve_axum(listener: TcpListener, acceptor: TlsAcceptor, app: Router) -> io::Result<()> {
    let server = auto::Builder::new(TokioExecutor::new());
    let service = TowerToHyperService::new(app);
    tls_connections(listener, acceptor, move |stream| {
        let (server, service) = (server.clone(), service.clone());
        async move {
            let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
        }
    })
    .await
}
