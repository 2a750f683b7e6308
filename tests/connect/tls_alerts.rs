//! Alerts that a server sends after the client has completed the handshake, as in TLS 1.3, and
//! which alerts are transient.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, AlertDescription, CertificateError, ClientConfig, RootCertStore};
use tower_websocket::client::{Connect, ConnectError, TlsConfig};
use tower_websocket::connect;
use websocket_tests::chain::chain;

use crate::certificates::{Authority, tls_echo_server};
use crate::peer::{echoes, listen, serve};
use crate::run::run;

/// Selects the HTTP version.
type Ask = fn(Connect) -> Connect;

/// Returns the `rustls::Error` of a TLS failure with `localhost`.
fn cause(error: &ConnectError) -> &rustls::Error {
    let ConnectError::Tls { host, error } = error else { panic!("{error:?}") };
    assert_eq!(host, "localhost");
    let cause = error.get_ref().and_then(|error| error.downcast_ref());
    cause.unwrap_or_else(|| panic!("{error:?}"))
}

/// Returns a configuration that trusts an authority, and presents a certificate of another.
fn showing(trusted: &Authority, of: &Authority) -> TlsConfig {
    let provider = rustls::crypto::ring::default_provider();
    let config = ClientConfig::builder_with_provider(provider.into()).with_safe_default_protocol_versions().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der()).unwrap();
    let (certificate, key) = of.certify(Authority::params(&["client"]));
    let config = config.with_root_certificates(roots).with_client_auth_cert(vec![certificate], key);
    TlsConfig::from_rustls(config.unwrap())
}

#[test]
fn refused_client_certificate_is_a_tls_error_that_is_not_transient() {
    run(async || {
        let (good, other) = (Authority::new("good"), Authority::new("other"));
        let versions: [(&[_], _, _); 2] = [
            (&[&TLS13], AlertDescription::CertificateRequired, AlertDescription::UnknownCA),
            (&[&TLS12], AlertDescription::HandshakeFailure, AlertDescription::UnknownCA),
        ];
        let https: [(&'static [u8], Ask); 2] = [(b"http/1.1", |connect| connect), (b"h2", Connect::http2)];
        for (versions, missing, unknown) in versions {
            for (alpn, version) in https {
                let port = tls_echo_server(good.wanting_certificates(alpn, versions)).await;
                for (tls, alert) in [(good.trusted(), missing), (showing(&good, &other), unknown)] {
                    // The alert may arrive before or after the client's writes.
                    for _ in 0..10 {
                        let connect = version(connect(format!("wss://localhost:{port}/")).tls(tls.clone()));
                        let error = connect.await.unwrap_err();
                        let cause = cause(&error);
                        let rustls::Error::AlertReceived(received) = cause else { panic!("{cause:?}") };
                        // Servers send different alerts for a missing certificate in TLS 1.2.
                        assert!(*received == alert || versions == [&TLS12], "{error:?}");
                        assert!(!error.is_transient(), "{error:?}");
                    }
                }
            }
        }
        let port = tls_echo_server(good.wanting_certificates(b"http/1.1", &[&TLS13])).await;
        let connect = connect(format!("wss://localhost:{port}/")).tls(showing(&good, &good));
        echoes(&mut connect.await.unwrap().0, "hello").await;
    });
}

#[test]
fn alert_is_reported_although_writes_fail_first() {
    run(async || {
        let authority = Authority::new("good");
        let acceptor = authority.wanting_certificates(b"http/1.1", &[&TLS13]);
        let (listener, port) = listen().await;
        let server = async {
            let (stream, _) = listener.accept().await.unwrap();
            // Closing with unread input causes a reset.
            drop(acceptor.accept(stream).await);
        };
        // More than the server ever reads.
        let mut connect = connect(format!("wss://localhost:{port}/")).tls(authority.trusted());
        for _ in 0..1000 {
            connect = connect.header("x-long", "x".repeat(10_000));
        }
        let (opened, ()) = tokio::join!(connect.into_future(), server);
        let error = opened.unwrap_err();
        assert_eq!(*cause(&error), rustls::Error::AlertReceived(AlertDescription::CertificateRequired));
    });
}

#[test]
fn proxy_that_refuses_client_certificate_is_a_tls_error() {
    run(async || {
        let authority = Authority::new("good");
        let port = tls_echo_server(authority.wanting_certificates(b"http/1.1", &[&TLS13])).await;
        let proxy = format!("https://localhost:{port}").parse().unwrap();
        let error = connect("ws://example.com/").proxy(proxy).tls(authority.trusted()).await.unwrap_err();
        assert_eq!(*cause(&error), rustls::Error::AlertReceived(AlertDescription::CertificateRequired));
        assert!(!error.is_transient());
    });
}

#[test]
fn tls_error_of_callers_own_stream_is_a_tls_error() {
    run(async || {
        let authority = Authority::new("good");
        let port = tls_echo_server(authority.wanting_certificates(b"http/1.1", &[&TLS13])).await;
        let provider = rustls::crypto::ring::default_provider();
        let config = ClientConfig::builder_with_provider(provider.into());
        let config = config.with_safe_default_protocol_versions().unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(authority.der()).unwrap();
        let connector =
            TlsConnector::from(std::sync::Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
        // The alert arrives before anything is written.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let error = connect("wss://localhost/").over(stream).await.unwrap_err();
        // Here a write error may be reported first, since the stream does not belong to this crate.
        if !matches!(&error, ConnectError::Io { error, .. } if error.kind() != std::io::ErrorKind::InvalidData) {
            assert_eq!(*cause(&error), rustls::Error::AlertReceived(AlertDescription::CertificateRequired));
        }
    });
}

/// Starts a server that answers a ClientHello with this alert.
async fn alerting(alert: u8) -> u16 {
    serve(move |mut stream| async move {
        let _ = stream.read(&mut [0; 16]).await;
        let _ = stream.write_all(&[0x15, 3, 3, 0, 2, 2, alert]).await;
        // Reads until the client disconnects.
        while stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {}
    })
    .await
}

#[test]
fn alert_internal_error_is_transient() {
    run(async || {
        // RFC 8446 §6: these two do not concern the client.
        for (alert, is_transient) in
            [(80, true), (90, true), (40, false), (42, false), (47, false), (48, false), (70, false), (112, false)]
        {
            let port = alerting(alert).await;
            for version in [|connect| connect, Connect::http2] as [Ask; 2] {
                let connect = connect(format!("wss://localhost:{port}/")).tls(Authority::new("any").trusted());
                let error = version(connect).await.unwrap_err();
                assert!(matches!(cause(&error), rustls::Error::AlertReceived(_)), "{alert}: {error:?}");
                assert_eq!(error.is_transient(), is_transient, "{alert}: {error:?}");
            }
        }
    });
}

#[test]
fn certificate_that_is_its_own_authority_has_a_hint() {
    run(async || {
        let (certificate, acceptor) = Authority::acceptor_of_itself();
        let port = tls_echo_server(acceptor).await;
        let tls = TlsConfig::with_authorities([certificate]).unwrap();
        let error = connect(format!("wss://localhost:{port}/")).tls(tls).await.unwrap_err();
        let is_other = matches!(cause(&error), rustls::Error::InvalidCertificate(CertificateError::Other(_)));
        assert!(is_other, "{error:?}");
        let told = chain(&error);
        assert!(told.contains("basicConstraints=CA:FALSE") && !error.is_transient(), "{told}");
        // Other errors have no hint.
        let port = tls_echo_server(Authority::new("good").acceptor(&["localhost"])).await;
        let error =
            connect(format!("wss://localhost:{port}/")).tls(Authority::new("other").trusted()).await.unwrap_err();
        assert!(!chain(&error).contains("basicConstraints"), "{error}");
    });
}
