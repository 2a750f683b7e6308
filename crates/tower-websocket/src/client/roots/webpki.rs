//! Mozilla's root certificates, compiled in.

use tokio_rustls::rustls::{self, RootCertStore};

use super::super::tls::TlsConfig;

impl TlsConfig {
    /// Creates a configuration that trusts Mozilla's root certificates, which are compiled in. Pass
    /// it to [`Connect::tls`](crate::client::Connect::tls).
    ///
    /// # Errors
    ///
    /// If rustls supports none of its default TLS versions.
    pub fn webpki_roots() -> Result<Self, rustls::Error> {
        Self::with_roots(RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()))
    }
}
