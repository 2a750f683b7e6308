use std::io;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, AlertDescription, ClientConfig, RootCertStore};

use super::error::ConnectError;
pub(super) use crate::transport::tls_stream::TlsFailure;
use crate::transport::tls_stream::{ReportingStream, cause};
use crate::transport::upgraded::Upgraded;

/// The TLS configuration of a client. It uses rustls with ring, whatever provider the process has
/// installed. The server's certificate is always verified, except by a configuration passed to
/// [`from_rustls`](Self::from_rustls), which is used unchanged.
#[derive(Debug, Clone)]
pub struct TlsConfig(Arc<ClientConfig>);

impl TlsConfig {
    /// Creates a configuration that trusts the given certificate authorities, each a certificate in
    /// DER.
    ///
    /// # Errors
    ///
    /// If one of them is not a valid certificate.
    pub fn with_authorities<'a>(
        certificates: impl IntoIterator<Item = CertificateDer<'a>>,
    ) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate.into_owned())?;
        }
        Self::with_roots(roots)
    }

    /// Creates a configuration from one of rustls. Its ALPN protocols are replaced by that of the HTTP version in
    /// use.
    pub fn from_rustls(config: impl Into<Arc<ClientConfig>>) -> Self {
        Self(config.into())
    }

    pub(super) fn with_roots(roots: RootCertStore) -> Result<Self, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        // The protocol of most connections, so that few have to copy the configuration.
        config.alpn_protocols = vec![Alpn::Http1.name().to_vec()];
        Ok(Self(Arc::new(config)))
    }

    #[cfg(test)]
    #[cfg_attr(not(feature = "tls-native-roots"), expect(dead_code))]
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The protocol to negotiate with ALPN (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alpn {
    Http1,
    Http2,
}

impl Alpn {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
        }
    }
}

/// Returns the configuration to use, by default that of the platform. Compiled-in roots are used
/// only if the caller selects them, so that no other crate in the dependency graph changes what is
/// trusted by enabling a feature.
pub(super) fn resolve(config: Option<TlsConfig>) -> Result<TlsConfig, ConnectError> {
    #[cfg(feature = "tls-native-roots")]
    return config.map_or_else(TlsConfig::native_roots, Ok);
    #[cfg(not(feature = "tls-native-roots"))]
    config.ok_or(ConnectError::NoTls)
}

pub(super) async fn wrap(
    io: Upgraded,
    host: &str,
    config: &TlsConfig,
    alpn: Alpn,
) -> Result<(Upgraded, TlsFailure), ConnectError> {
    let failed = |error: io::Error| {
        let refused = rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol);
        if alpn == Alpn::Http2 && cause(&error) == Some(&refused) {
            return ConnectError::NoHttp2 { host: host.to_owned() };
        }
        ConnectError::Tls { host: host.to_owned(), error }
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(io::Error::other(error)))?;
    let mut config = config.0.clone();
    if config.alpn_protocols != [alpn.name()] {
        Arc::make_mut(&mut config).alpn_protocols = vec![alpn.name().to_vec()];
    }
    let stream = TlsConnector::from(config).connect(name, io).await.map_err(failed)?;
    if alpn == Alpn::Http2 && stream.get_ref().1.alpn_protocol() != Some(alpn.name()) {
        return Err(ConnectError::NoHttp2 { host: host.to_owned() });
    }
    let stream = ReportingStream::new(stream);
    let failure = stream.failure();
    Ok((Upgraded::from_boxed(Box::new(stream)), failure))
}
