//! TLS with a certificate created for the tests.

use std::sync::{Arc, OnceLock};

use tokio::net::TcpStream;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

const NAME: &str = "localhost";

struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

/// Created once for all tests.
fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed([NAME.into()]).expect("a certificate");
        Identity { certificate: made.cert.der().clone(), key: made.signing_key.serialize_der().into() }
    })
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Returns a server that supports HTTP/2 and HTTP/1.1.
pub(crate) fn acceptor() -> TlsAcceptor {
    let Identity { certificate, key } = identity();
    let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_no_client_auth();
    let config = config.with_single_cert(vec![certificate.clone()], key.clone_key().into());
    let mut config = config.expect("a certificate and its key");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Returns the certificate.
pub(crate) fn certificate() -> &'static CertificateDer<'static> {
    &identity().certificate
}

/// Returns the configuration of a client that trusts the certificate.
pub(crate) fn client_config() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(identity().certificate.clone()).expect("a certificate");
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    config.expect("versions").with_root_certificates(roots).with_no_client_auth()
}

/// Connects with a client that trusts the certificate and offers only this protocol.
pub(crate) async fn connect(stream: TcpStream, alpn: &str) -> client::TlsStream<TcpStream> {
    let mut config = client_config();
    config.alpn_protocols = vec![alpn.into()];
    let name = ServerName::try_from(NAME).expect("a name");
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a TLS handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn.as_bytes()));
    stream
}
