//! TLS by rustls over non-blocking sockets.

use std::io::{self, Read, Write};
use std::sync::{Arc, OnceLock};

use mio::net::TcpStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};
use websocket_bench::tls::{NAME, provider};

/// Creates the client's side of a connection.
pub(crate) fn session() -> Result<ClientConnection, String> {
    static CONFIG: OnceLock<Result<Arc<ClientConfig>, Error>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        let verifier = Arc::new(TrustAny(provider()));
        let config = config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        Ok(Arc::new(config))
    });
    let name = ServerName::try_from(NAME).map_err(|error| error.to_string())?;
    let session = config.clone().and_then(|config| ClientConnection::new(config, name));
    session.map_err(|error| error.to_string())
}

/// Trusts any certificate, since servers create theirs at startup, but verifies that the server
/// has its key.
#[derive(Debug)]
struct TrustAny(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A connection after its handshake.
pub(crate) struct TlsStream {
    session: ClientConnection,
    tcp: TcpStream,
}

impl TlsStream {
    pub(crate) fn new(session: ClientConnection, tcp: TcpStream) -> Self {
        Self { session, tcp }
    }

    pub(crate) fn tcp_stream(&mut self) -> &mut TcpStream {
        &mut self.tcp
    }
}

impl Read for TlsStream {
    /// Fills the buffer as far as data has arrived.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (mut filled, mut is_drained) = (0, false);
        while filled < buffer.len() {
            match self.session.reader().read(&mut buffer[filled..]) {
                // The end of the stream.
                Ok(0) => break,
                Ok(read) => {
                    filled += read;
                    continue;
                }
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Err(error) if is_drained && filled == 0 => return Err(error),
                Err(_) if is_drained => break,
                Err(_) => {}
            }
            let mut tcp = Recorder { tcp: &mut self.tcp, is_drained: false };
            match self.session.read_tls(&mut tcp) {
                Ok(_) => {
                    is_drained = tcp.is_drained;
                    self.session.process_new_packets().map_err(io::Error::other)?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => is_drained = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        let taken = self.session.writer().write(bytes)?;
        match self.flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.tcp) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Records whether a read was the last, because it did not fill the buffer: the poll reports later
/// data.
struct Recorder<'a> {
    tcp: &'a mut TcpStream,
    is_drained: bool,
}

impl Read for Recorder<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.tcp.read(buffer)?;
        self.is_drained = read < buffer.len();
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::sync::mpsc;
    use std::thread;

    use clap::Parser;
    use tokio::io::{copy, split};
    use tokio::net::TcpListener;
    use websocket_bench::{baseline, tls};

    use crate::Options;
    use crate::exchange::Exchange;

    /// Messages that are longer than the buffers of rustls and of the kernel.
    #[test]
    fn exchange_over_tls_is_complete() -> Result<(), Box<dyn Error>> {
        let (sender, addr) = mpsc::channel();
        let acceptor = tls::acceptor()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::spawn(move || {
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                sender.send(listener.local_addr()).expect("the test is waiting");
                let echo = async |mut stream| {
                    baseline::handshake(&mut stream).await.expect("a request");
                    let (mut reader, mut writer) = split(stream);
                    let _ = copy(&mut reader, &mut writer).await;
                };
                tls::tls_connections(listener, acceptor, echo).await
            })
        });
        let addr = addr.recv()??.to_string();
        let size = (2 << 20).to_string();
        let options = ["load", "echo", "--pid", "1", "--tls", "--raw", "--connections", "2"];
        let options = options.into_iter().chain(["--addr", &addr, "--content", "binary", "--size", &size]);
        let mut exchange = Exchange::open(&Options::try_parse_from(options)?, false)?;
        for _ in 0..2 {
            (0..2).try_for_each(|number| exchange.send(number))?;
            exchange.finish()?;
        }
        assert_eq!(exchange.received, 4);
        Ok(())
    }
}
