//! Errors of rustls among those of a transport.

use std::error::Error;
use std::io;

use tokio_rustls::rustls::{self, AlertDescription, CertificateError};

/// Returns the error of rustls that an error of a transport wraps.
pub(super) fn cause(error: &io::Error) -> Option<&rustls::Error> {
    let mut cause = error.get_ref().map(|inner| inner as &(dyn Error + 'static));
    while let Some(inner) = cause {
        if let Some(error) = inner.downcast_ref() {
            return Some(error);
        }
        // The source of an io::Error is that of what it wraps.
        let wrapped = inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| inner.source());
    }
    None
}

/// Returns whether an error of a transport is one of TLS, during its handshake or later.
pub(super) fn is_failure(error: &io::Error) -> bool {
    cause(error).is_some()
}

/// Returns whether TLS may succeed later: the transport below it ended, or the server had a problem that is not about this
/// client (RFC 8446 §6).
pub(super) fn is_transient(error: &io::Error) -> bool {
    match cause(error) {
        Some(rustls::Error::AlertReceived(alert)) => {
            matches!(alert, AlertDescription::InternalError | AlertDescription::UserCanceled)
        }
        Some(_) => false,
        // A name that no certificate can have.
        None => !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::Other),
    }
}

/// Returns what may be done about an error of TLS whose text does not say it.
pub(super) fn hint(error: &io::Error) -> Option<&'static str> {
    // The type of the error is that of a crate below rustls.
    let is_its_own_authority = |error: &rustls::OtherError| error.to_string().contains("CaUsedAsEndEntity");
    match cause(error)? {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) if is_its_own_authority(other) => Some(
            "the server's certificate is its own certificate authority, as openssl makes them by default: issue it with \
             basicConstraints=CA:FALSE, or accept it by a verifier given to TlsConfig::from_rustls",
        ),
        _ => None,
    }
}
