//! What Mozilla trusts, compiled in.

use tokio_rustls::rustls::RootCertStore;

pub(crate) fn add(roots: &mut RootCertStore) {
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
}
