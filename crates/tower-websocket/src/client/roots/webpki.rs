//! What Mozilla trusts, compiled in.

use tokio_rustls::rustls::RootCertStore;

pub(crate) fn add(roots: &mut RootCertStore, _: &mut Vec<String>) {
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
}
