use std::io;
use std::sync::{Arc, OnceLock};

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, AlertDescription, ClientConfig, RootCertStore};

use super::error::ConnectError;
use super::roots;
use super::tls_error;
use super::tls_stream::ReportingStream;
pub(super) use super::tls_stream::TlsFailure;
use crate::transport::upgraded::Upgraded;

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

    /// A configuration made elsewhere. Its ALPN protocols are replaced by that of the HTTP which is spoken.
    pub fn from_rustls(config: impl Into<Arc<ClientConfig>>) -> Self {
        Self(config.into())
    }

    fn with_roots(roots: RootCertStore) -> Result<Self, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        // Those that most connections ask for, so that few need a copy of the configuration.
        config.alpn_protocols = vec![Alpn::Http1.name().to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// Returns what the features of the crate trust. It is made once; what fails is tried again by the next connection, as the
    /// platform's certificates may be installed meanwhile.
    fn default_roots(
        made: &OnceLock<Self>,
        load: impl Fn() -> Result<RootCertStore, ConnectError>,
    ) -> Result<Self, ConnectError> {
        if let Some(config) = made.get() {
            return Ok(config.clone());
        }
        let failed = |error: rustls::Error| ConnectError::NoRoots { reason: error.to_string() };
        let config = Self::with_roots(load()?).map_err(failed)?;
        Ok(made.get_or_init(|| config).clone())
    }
}

/// What is to be spoken inside, by its name in ALPN (RFC 7301).
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

/// Returns the configuration to go by, if there is one.
pub(super) fn resolve(config: Option<TlsConfig>) -> Result<TlsConfig, ConnectError> {
    static DEFAULT: OnceLock<TlsConfig> = OnceLock::new();
    config.map_or_else(|| TlsConfig::default_roots(&DEFAULT, roots::load), Ok)
}

pub(super) async fn wrap(
    io: Upgraded,
    host: &str,
    config: &TlsConfig,
    alpn: Alpn,
) -> Result<(Upgraded, TlsFailure), ConnectError> {
    let failed = |error: io::Error| {
        let refused = rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol);
        if alpn == Alpn::Http2 && tls_error::cause(&error) == Some(&refused) {
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn roots_that_failed_to_load_are_loaded_again_and_those_that_loaded_are_kept() {
        let (made, loads) = (OnceLock::new(), Cell::new(0));
        let config = || {
            TlsConfig::default_roots(&made, || {
                loads.set(loads.get() + 1);
                match loads.get() {
                    ..3 => Err(ConnectError::NoRoots { reason: loads.get().to_string() }),
                    _ => Ok(RootCertStore::empty()),
                }
            })
        };
        for expected in ["1", "2"] {
            let error = config().unwrap_err();
            assert!(matches!(&error, ConnectError::NoRoots { reason } if reason == expected), "{error:?}");
        }
        let (first, second) = (config().unwrap(), config().unwrap());
        assert!(Arc::ptr_eq(&first.0, &second.0) && loads.get() == 3);
    }
}
