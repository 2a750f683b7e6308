use std::convert::Infallible;

use tokio::net::TcpStream;

use super::error::ConnectError;
use crate::upgraded::Transmit;

/// How a client does TLS. There is none without the feature `tls`.
#[derive(Debug, Clone)]
pub struct TlsConfig(Infallible);

pub(super) async fn wrap(
    _stream: TcpStream,
    _host: &str,
    config: Option<TlsConfig>,
) -> Result<Box<dyn Transmit>, ConnectError> {
    match config {
        Some(TlsConfig(never)) => match never {},
        None => Err(ConnectError::NoTls),
    }
}
