//! The platform's certificates.

use std::sync::OnceLock;

use tokio_rustls::rustls::RootCertStore;

use super::super::error::ConnectError;
use super::super::tls::TlsConfig;

impl TlsConfig {
    /// Creates a configuration that trusts the platform's certificates. It is the default for
    /// `wss:` URLs.
    ///
    /// They are loaded once per process. If that fails, the next call tries again, since they may
    /// have been installed in the meantime. Certificates that rustls cannot parse are ignored.
    ///
    /// # Errors
    ///
    /// [`ConnectError::NoRoots`] if there are none.
    pub fn native_roots() -> Result<Self, ConnectError> {
        static LOADED: OnceLock<TlsConfig> = OnceLock::new();
        load_once(&LOADED, load)
    }
}

fn load_once(
    loaded: &OnceLock<TlsConfig>,
    load: impl Fn() -> Result<RootCertStore, ConnectError>,
) -> Result<TlsConfig, ConnectError> {
    if let Some(config) = loaded.get() {
        return Ok(config.clone());
    }
    let config = TlsConfig::with_roots(load()?).map_err(|error| ConnectError::NoRoots { reason: error.to_string() })?;
    Ok(loaded.get_or_init(|| config).clone())
}

fn load() -> Result<RootCertStore, ConnectError> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut problems: Vec<_> = loaded.errors.iter().map(ToString::to_string).collect();
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(loaded.certs);
    if added > 0 {
        return Ok(roots);
    }
    if ignored > 0 {
        problems.push(format!("{ignored} certificates of the platform cannot be used"));
    } else if problems.is_empty() {
        problems.push("the platform has no certificates".to_owned());
    }
    Err(ConnectError::NoRoots { reason: problems.join("; ") })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn roots_that_failed_to_load_are_loaded_again() {
        let (loaded, loads) = (OnceLock::new(), Cell::new(0));
        let config = || {
            load_once(&loaded, || {
                loads.set(loads.get() + 1);
                match loads.get() {
                    ..3 => Err(ConnectError::NoRoots { reason: loads.get().to_string() }),
                    _ => Ok(RootCertStore::empty()),
                }
            })
        };
        for expected in ["1", "2"] {
            let error = config().unwrap_err();
            assert!(matches!(&error, ConnectError::NoRoots { reason } if reason == expected), "{error:?}");
        }
        let (first, second) = (config().unwrap(), config().unwrap());
        assert!(first.is_same(&second) && loads.get() == 3);
    }
}
