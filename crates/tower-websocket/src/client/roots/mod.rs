//! The roots to trust, as the crate's features say.

use tokio_rustls::rustls::RootCertStore;

#[cfg_attr(not(feature = "tls-native-roots"), path = "none.rs")]
mod native;
#[cfg_attr(not(feature = "tls-webpki-roots"), path = "none.rs")]
#[allow(clippy::duplicate_mod, reason = "the same file stands for each that is off")]
mod webpki;

/// All of them.
pub(super) fn load() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    native::add(&mut roots);
    webpki::add(&mut roots);
    roots
}
