//! What the platform trusts.

use tokio_rustls::rustls::RootCertStore;

/// Certificates that rustls does not understand are left out.
pub(crate) fn add(roots: &mut RootCertStore, problems: &mut Vec<String>) {
    let loaded = rustls_native_certs::load_native_certs();
    problems.extend(loaded.errors.iter().map(ToString::to_string));
    let (added, ignored) = roots.add_parsable_certificates(loaded.certs);
    if ignored > 0 {
        problems.push(format!("unusable certificates of the platform: {ignored}"));
    } else if added == 0 && problems.is_empty() {
        problems.push("platform has no certificates".to_owned());
    }
}
