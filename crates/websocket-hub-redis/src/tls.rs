//! Connections over TLS. The trust anchors are always passed explicitly: the default of the crate
//! `redis` depends on its features, which any crate in the dependency graph may enable.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use redis::{Client, ConnectionInfo, ErrorKind, RedisError, RedisResult, TlsCertificates};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// Creates a client whose connections use TLS.
pub(crate) fn client(info: ConnectionInfo, certificates: &TlsCertificates) -> RedisResult<Client> {
    if CryptoProvider::get_default().is_none() {
        // Otherwise rustls panics if it was compiled with several providers. If another one was
        // installed meanwhile, that one is used.
        let _ = ring::default_provider().install_default();
    }
    let mut certificates = certificates.clone();
    let roots = match certificates.root_cert.take() {
        Some(roots) => roots,
        None => platform_roots()?,
    };
    if CertificateDer::pem_slice_iter(&roots).next().is_none() {
        // Reported now, not as a failure of every connection.
        return Err(RedisError::from((ErrorKind::InvalidClientConfig, "no trust anchors")));
    }
    certificates.root_cert = Some(roots);
    Client::build_with_tls(info, certificates)
}

/// Returns the trust anchors of the operating system in PEM.
fn platform_roots() -> RedisResult<Vec<u8>> {
    let loaded = rustls_native_certs::load_native_certs();
    if let (true, Some(error)) = (loaded.certs.is_empty(), loaded.errors.into_iter().next()) {
        return Err(error.into());
    }
    let pem = |certificate: &CertificateDer<'_>| {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(certificate))
    };
    Ok(loaded.certs.iter().map(pem).collect::<String>().into_bytes())
}

#[cfg(test)]
mod tests {
    use redis::IntoConnectionInfo;

    use super::*;

    fn with_roots(roots: &str) -> RedisResult<Client> {
        let certificates = TlsCertificates { client_tls: None, root_cert: Some(roots.into()) };
        client("rediss://localhost".into_connection_info()?, &certificates)
    }

    #[test]
    fn trust_anchors_without_a_certificate_are_refused() {
        for roots in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(with_roots(roots).is_err(), "{roots:?}");
        }
    }

    #[test]
    fn trust_anchors_of_the_platform_are_passed_on() {
        let roots = platform_roots().unwrap();
        let expected = rustls_native_certs::load_native_certs().certs;
        let passed: Vec<_> = CertificateDer::pem_slice_iter(&roots).collect::<Result<_, _>>().unwrap();
        assert_eq!(passed, expected);
    }
}
