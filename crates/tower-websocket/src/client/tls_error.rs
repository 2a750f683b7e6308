//! TLS errors among the errors of a transport.

use std::io;

use tokio_rustls::rustls::{self, AlertDescription, CertificateError};

use crate::transport::tls_stream::cause;

/// Returns whether a transport error is a TLS error, during the handshake or later.
pub(super) fn is_failure(error: &io::Error) -> bool {
    cause(error).is_some()
}

/// Returns whether TLS may succeed later: the transport below it has ended, or the server had a
/// problem unrelated to this client (RFC 8446 §6).
pub(super) fn is_transient(error: &io::Error) -> bool {
    match cause(error) {
        Some(rustls::Error::AlertReceived(alert)) => {
            matches!(alert, AlertDescription::InternalError | AlertDescription::UserCanceled)
        }
        Some(_) => false,
        // A host name that is not valid in a certificate.
        None => !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::Other),
    }
}

/// Returns advice on a TLS error that its text does not contain.
pub(super) fn hint(error: &io::Error) -> Option<&'static str> {
    // The type of the error belongs to a crate below rustls.
    let is_its_own_authority = |error: &rustls::OtherError| error.to_string().contains("CaUsedAsEndEntity");
    match cause(error)? {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) if is_its_own_authority(other) => Some(
            "the server's certificate is its own certificate authority, as openssl makes them by default: issue it with \
             basicConstraints=CA:FALSE, or accept it with a verifier passed to TlsConfig::from_rustls",
        ),
        _ => None,
    }
}
