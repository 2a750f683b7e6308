//! What the platform trusts.

use tokio_rustls::rustls::RootCertStore;

/// Certificates that rustls does not understand are left out.
pub(crate) fn add(roots: &mut RootCertStore) {
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
}
