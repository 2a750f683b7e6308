use std::convert::Infallible;
#[cfg(feature = "http2")]
use std::io;

use super::error::ConnectError;
use crate::transport::upgraded::Upgraded;

/// The TLS configuration of a client. It cannot be created without the feature `tls`.
#[derive(Debug, Clone)]
pub struct TlsConfig(Infallible);

/// The protocol to negotiate.
#[derive(Debug, Clone, Copy)]
pub(super) enum Alpn {
    Http1,
    #[cfg(feature = "http2")]
    Http2,
}

pub(super) fn resolve(config: Option<TlsConfig>) -> Result<TlsConfig, ConnectError> {
    config.ok_or(ConnectError::NoTls)
}

pub(super) async fn wrap(
    _: Upgraded,
    _: &str,
    config: &TlsConfig,
    _: Alpn,
) -> Result<(Upgraded, TlsFailure), ConnectError> {
    match config.0 {}
}

/// Never contains an error, since there is no TLS.
#[derive(Debug, Clone, Default)]
pub(super) struct TlsFailure(());

#[cfg(feature = "http2")]
impl TlsFailure {
    pub(super) fn get(&self) -> Option<io::Error> {
        None
    }
}
