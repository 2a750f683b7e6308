//! Certificates created for a test, and servers that use them.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio_rustls::server::TlsStream;
use tower_websocket::Config;
use tower_websocket::client::TlsConfig;

use crate::peer::{echo, serve};

/// A certificate authority, a new one for each test.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"))
    }

    /// Returns a client configuration that trusts only this authority.
    pub(crate) fn trusted(&self) -> TlsConfig {
        TlsConfig::with_authorities([self.der()]).expect("a certificate")
    }

    /// Returns the authority's certificate.
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// Returns a server with a certificate for these hosts.
    pub(crate) fn acceptor(&self, hosts: &[&str]) -> TlsAcceptor {
        self.issue(Self::params(hosts), &[b"http/1.1"])
    }

    /// Returns a server with an expired certificate for `localhost`.
    pub(crate) fn expired(&self) -> TlsAcceptor {
        let mut params = Self::params(&["localhost"]);
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        self.issue(params, &[])
    }

    /// Returns a server with a certificate for `localhost` that is not valid yet.
    pub(crate) fn too_early(&self) -> TlsAcceptor {
        let mut params = Self::params(&["localhost"]);
        params.not_before = date_time_ymd(4000, 1, 1);
        self.issue(params, &[])
    }

    /// Returns a server for `localhost` that supports only this protocol.
    pub(crate) fn speaking(&self, alpn: &'static [u8]) -> TlsAcceptor {
        self.issue(Self::params(&["localhost"]), &[alpn])
    }

    /// Returns a server for `localhost` without ALPN.
    pub(crate) fn without_alpn(&self) -> TlsAcceptor {
        self.issue(Self::params(&["localhost"]), &[])
    }

    /// Returns a server for `localhost` that requires client certificates of this authority, with
    /// this protocol and these TLS versions.
    pub(crate) fn wanting_certificates(
        &self,
        alpn: &'static [u8],
        versions: &[&'static SupportedProtocolVersion],
    ) -> TlsAcceptor {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).expect("a certificate");
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        let verifier = verifier.build().expect("a verifier");
        let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).expect("versions");
        let (certificate, key) = self.certify(Self::params(&["localhost"]));
        let config = config.with_client_cert_verifier(verifier).with_single_cert(vec![certificate], key);
        let mut config = config.expect("a key that fits");
        config.alpn_protocols = vec![alpn.to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }

    /// Returns a server whose certificate is its own authority, like those created by
    /// `openssl req -x509` by default.
    pub(crate) fn acceptor_of_itself() -> (CertificateDer<'static>, TlsAcceptor) {
        let mut params = Self::params(&["localhost"]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").der().clone();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
        let key = key.serialize_der().try_into().expect("a key");
        let config = config.with_single_cert(vec![certificate.clone()], key).expect("a key that fits");
        (certificate, TlsAcceptor::from(Arc::new(config)))
    }

    /// Returns a certificate of this authority and its key.
    pub(crate) fn certify(&self, params: CertificateParams) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        (certificate.der().clone(), key.serialize_der().try_into().expect("a key"))
    }

    pub(crate) fn params(hosts: &[&str]) -> CertificateParams {
        let hosts: Vec<_> = hosts.iter().map(|&host| host.to_owned()).collect();
        CertificateParams::new(hosts).expect("names of hosts")
    }

    fn issue(&self, params: CertificateParams, alpn: &[&[u8]]) -> TlsAcceptor {
        let (certificate, key) = self.certify(params);
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
        let mut config = config.with_single_cert(vec![certificate], key).expect("a key that fits");
        config.alpn_protocols = alpn.iter().map(|alpn| alpn.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Starts an echo server over TLS. Failed TLS handshakes are ignored.
pub(crate) async fn tls_echo_server(acceptor: TlsAcceptor) -> u16 {
    serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                let stream: TlsStream<TcpStream> = stream;
                echo(stream, Config::server()).await;
            }
        }
    })
    .await
}
