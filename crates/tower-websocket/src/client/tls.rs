use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::error::ConnectError;
use super::roots;
use crate::upgraded::Transmit;

/// How a client does TLS: by rustls with ring, whatever provider the process may have installed. The server's certificate
/// is verified, in all that can be made here but [`from_rustls`](Self::from_rustls), which takes what it is given.
#[derive(Debug, Clone)]
pub struct TlsConfig(Arc<ClientConfig>);

impl TlsConfig {
    /// Trusts these authorities, each a certificate in DER.
    ///
    /// # Errors
    ///
    /// Where one is no certificate.
    pub fn with_authorities<'a>(
        certificates: impl IntoIterator<Item = CertificateDer<'a>>,
    ) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate.into_owned())?;
        }
        Self::with_roots(roots)
    }

    /// A configuration made elsewhere. Its ALPN protocols, if any, must have `http/1.1`.
    pub fn from_rustls(config: impl Into<Arc<ClientConfig>>) -> Self {
        Self(config.into())
    }

    fn with_roots(roots: RootCertStore) -> Result<Self, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// What the features of the crate trust, made once.
    fn default_roots() -> Option<Self> {
        static DEFAULT: std::sync::OnceLock<Option<TlsConfig>> = std::sync::OnceLock::new();
        let make = || {
            let roots = roots::load();
            if roots.is_empty() { None } else { Self::with_roots(roots).ok() }
        };
        DEFAULT.get_or_init(make).clone()
    }
}

pub(super) async fn wrap(
    stream: TcpStream,
    host: &str,
    config: Option<TlsConfig>,
) -> Result<Box<dyn Transmit>, ConnectError> {
    let TlsConfig(config) = config.or_else(TlsConfig::default_roots).ok_or(ConnectError::NoTls)?;
    let failed = |error| ConnectError::Tls { host: host.to_owned(), error };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(bare.to_owned()).map_err(|error| failed(std::io::Error::other(error)))?;
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(failed)?;
    Ok(Box::new(stream))
}
