//! The roots to trust, as the crate's features say.

use tokio_rustls::rustls::RootCertStore;

use super::error::ConnectError;

#[cfg_attr(not(feature = "tls-native-roots"), path = "none.rs")]
mod native;
#[cfg_attr(not(feature = "tls-webpki-roots"), path = "none.rs")]
#[allow(clippy::duplicate_mod, reason = "the same file stands for each that is off")]
mod webpki;

/// Returns all of them.
///
/// # Errors
///
/// There are none: [`ConnectError::NoTls`] without a feature that brings them, otherwise [`ConnectError::NoRoots`].
pub(super) fn load() -> Result<RootCertStore, ConnectError> {
    let mut roots = RootCertStore::empty();
    let mut problems = Vec::new();
    native::add(&mut roots, &mut problems);
    webpki::add(&mut roots, &mut problems);
    match roots.is_empty() {
        false => Ok(roots),
        true if problems.is_empty() => Err(ConnectError::NoTls),
        true => Err(ConnectError::NoRoots { reason: problems.join("; ") }),
    }
}
