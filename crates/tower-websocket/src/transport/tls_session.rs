use std::any::Any;
use std::fmt;

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{CommonState, ProtocolVersion};
use tokio_rustls::{TlsStream, client, server};

use super::tls_stream::ReportingStream;
use super::upgraded::Upgraded;
use tokio::net::TcpStream;

/// The result of the TLS handshake below a socket (feature `tls`): see
/// [`WebSocket::tls_session`](crate::WebSocket::tls_session).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsSession {
    /// The application protocol that was negotiated by ALPN (RFC 7301), such as `http/1.1`.
    pub alpn_protocol: Option<Vec<u8>>,
    /// The certificates of the peer, its own first, verified by the configuration of rustls. Empty
    /// on a server that does not request client certificates.
    pub peer_certificates: Vec<CertificateDer<'static>>,
    /// The version of TLS.
    pub protocol_version: Option<ProtocolVersion>,
}

/// Returns the session, if the transport is a known stream of TLS.
pub(crate) fn tls_session(io: &dyn Any) -> Option<TlsSession> {
    if let Some(upgraded) = io.downcast_ref::<Upgraded>() {
        return tls_session(upgraded.boxed()?);
    }
    if let Some(stream) = io.downcast_ref::<ReportingStream>() {
        return Some(TlsSession::of(stream.get_ref().get_ref().1));
    }
    let client = || io.downcast_ref::<client::TlsStream<TcpStream>>().map(|stream| TlsSession::of(stream.get_ref().1));
    let server = || io.downcast_ref::<server::TlsStream<TcpStream>>().map(|stream| TlsSession::of(stream.get_ref().1));
    let either = || io.downcast_ref::<TlsStream<TcpStream>>().map(|stream| TlsSession::of(stream.get_ref().1));
    client().or_else(server).or_else(either)
}

impl TlsSession {
    fn of(state: &CommonState) -> Self {
        let certificates = state.peer_certificates().unwrap_or_default();
        Self {
            alpn_protocol: state.alpn_protocol().map(<[u8]>::to_vec),
            peer_certificates: certificates.iter().map(|certificate| certificate.clone().into_owned()).collect(),
            protocol_version: state.protocol_version(),
        }
    }
}

/// Omits the certificates, which are long.
impl fmt::Debug for TlsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSession")
            .field("alpn_protocol", &self.alpn_protocol.as_deref().map(String::from_utf8_lossy))
            .field("peer_certificates", &self.peer_certificates.len())
            .field("protocol_version", &self.protocol_version)
            .finish()
    }
}
