//! `wss:` with certificates created here: which ones are trusted, and the errors for others.

use std::error::Error;

use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{self, CertificateError};
use tower_websocket::client::{Connect, ConnectError, TlsConfig};
use tower_websocket::{CloseCode, connect};
use websocket_tests::chain::chain;

use crate::certificates::{Authority, tls_echo_server};
use crate::peer::{echoes, listen, serve};
use crate::run::run;

/// Returns the `rustls::Error` among the sources of a refusal.
async fn refused(connect: Connect) -> rustls::Error {
    let error = connect.await.expect_err("a certificate that is not trusted");
    assert!(matches!(&error, ConnectError::Tls { .. }), "{error:?}");
    let mut source: &(dyn Error + 'static) = &error;
    loop {
        if let Some(error) = source.downcast_ref::<rustls::Error>() {
            return error.clone();
        }
        // `io::Error::source` returns the source of the inner error, not the inner error itself.
        let inner = source.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
        source = match inner {
            Some(inner) => inner,
            None => source.source().expect("a source that is of rustls"),
        };
    }
}

async fn refused_by(acceptor: TlsAcceptor, trusted: TlsConfig) -> rustls::Error {
    let port = tls_echo_server(acceptor).await;
    refused(connect(format!("wss://localhost:{port}/")).tls(trusted)).await
}

#[test]
fn server_of_a_trusted_authority_is_connected_to() {
    run(async || {
        let authority = Authority::new("good");
        let port = tls_echo_server(authority.acceptor(&["localhost"])).await;
        for scheme in ["wss", "https"] {
            let connect = connect(format!("{scheme}://localhost:{port}/")).tls(authority.trusted());
            let (mut socket, _) = connect.await.unwrap();
            echoes(&mut socket, "hello").await;
            echoes(&mut socket, &"long ".repeat(100_000)).await;
            socket.close(CloseCode::NORMAL, "").await.unwrap();
            assert_eq!(socket.close_frame().map(|close| close.code), Some(CloseCode::NORMAL));
        }
    });
}

#[test]
fn server_address_in_the_certificate_is_verified() {
    run(async || {
        let authority = Authority::new("good");
        let port = tls_echo_server(authority.acceptor(&["127.0.0.1"])).await;
        let (mut socket, _) = connect(format!("wss://127.0.0.1:{port}/")).tls(authority.trusted()).await.unwrap();
        echoes(&mut socket, "hello").await;
        let error = refused(connect(format!("wss://localhost:{port}/")).tls(authority.trusted())).await;
        assert!(matches!(error, rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })));
    });
}

#[test]
fn ipv6_zone_is_not_part_of_the_name_in_a_certificate() {
    run(async || {
        let authority = Authority::new("good");
        let port = tls_echo_server(authority.acceptor(&["fe80::1"])).await;
        for zone in ["%25eth0", "%eth0"] {
            let connector = tower::service_fn(move |_: http::Uri| async move {
                TcpStream::connect(("127.0.0.1", port)).await.map(TokioIo::new)
            });
            let connect = connect(format!("wss://[fe80::1{zone}]:{port}/")).tls(authority.trusted());
            let (mut socket, _) = connect.connector(connector).await.unwrap();
            echoes(&mut socket, "hello").await;
        }
    });
}

#[test]
fn several_authorities_are_trusted_and_invalid_ones_refused() {
    run(async || {
        let (good, other) = (Authority::new("good"), Authority::new("other"));
        let port = tls_echo_server(good.acceptor(&["localhost"])).await;
        let both = TlsConfig::with_authorities([other.der(), good.der()]).unwrap();
        connect(format!("wss://localhost:{port}/")).tls(both).await.unwrap();
        assert!(TlsConfig::with_authorities([b"nonsense".to_vec().into()]).is_err());
    });
}

#[test]
fn unknown_authority_is_refused() {
    run(async || {
        // Even with the same name.
        for name in ["good", "bad"] {
            let error =
                refused_by(Authority::new(name).acceptor(&["localhost"]), Authority::new("good").trusted()).await;
            let is_it = |error| matches!(error, CertificateError::UnknownIssuer | CertificateError::BadSignature);
            assert!(matches!(&error, rustls::Error::InvalidCertificate(kind) if is_it(kind.clone())), "{error:?}");
        }
    });
}

#[test]
fn wrong_host_name_is_refused() {
    run(async || {
        let authority = Authority::new("good");
        for hosts in [&["example.com", "*.localhost"][..], &["127.0.0.1"], &["localhost.example.com"]] {
            let error = refused_by(authority.acceptor(hosts), authority.trusted()).await;
            let rustls::Error::InvalidCertificate(kind) = error else { panic!("{error:?}") };
            assert!(matches!(kind, CertificateError::NotValidForNameContext { .. }), "{kind:?}");
        }
    });
}

#[test]
fn expired_and_future_certificates_are_refused() {
    run(async || {
        let authority = Authority::new("good");
        let error = refused_by(authority.expired(), authority.trusted()).await;
        let rustls::Error::InvalidCertificate(kind) = error else { panic!("{error:?}") };
        assert!(matches!(kind, CertificateError::ExpiredContext { .. }), "{kind:?}");
        let error = refused_by(authority.too_early(), authority.trusted()).await;
        let rustls::Error::InvalidCertificate(kind) = error else { panic!("{error:?}") };
        assert!(matches!(kind, CertificateError::NotValidYetContext { .. }), "{kind:?}");
    });
}

#[test]
fn error_contains_the_host_and_the_reason() {
    run(async || {
        let authority = Authority::new("good");
        let port = tls_echo_server(authority.expired()).await;
        let error = connect(format!("wss://localhost:{port}/")).tls(authority.trusted()).await.unwrap_err();
        let told = chain(&error);
        assert!(told.contains("localhost") && told.contains("expired"), "{told}");
    });
}

#[test]
fn alpn_offers_only_http_1_1() {
    run(async || {
        let authority = Authority::new("good");
        let port = tls_echo_server(authority.speaking(b"http/1.1")).await;
        connect(format!("wss://localhost:{port}/")).tls(authority.trusted()).await.unwrap();
        let error = refused_by(authority.speaking(b"h2"), authority.trusted()).await;
        assert!(matches!(error, rustls::Error::AlertReceived(_)), "{error:?}");
    });
}

#[test]
fn server_without_tls_is_reported() {
    run(async || {
        let port = serve(async |mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        })
        .await;
        let error = refused(connect(format!("wss://localhost:{port}/")).tls(Authority::new("good").trusted())).await;
        assert!(matches!(error, rustls::Error::InvalidMessage(_)), "{error:?}");
    });
}

#[test]
fn unknown_authority_is_not_trusted_by_default() {
    run(async || {
        let port = tls_echo_server(Authority::new("unknown").acceptor(&["localhost"])).await;
        let error = connect(format!("wss://localhost:{port}/")).await.unwrap_err();
        // The crate may have been built with roots for another member of the workspace.
        assert!(matches!(error, ConnectError::NoTls | ConnectError::Tls { .. }), "{error:?}");
    });
}

#[test]
fn rustls_configuration_is_used_unchanged() {
    run(async || {
        let authority = Authority::new("good");
        let port = tls_echo_server(authority.acceptor(&["localhost"])).await;
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.der()).unwrap();
        let provider = rustls::crypto::ring::default_provider();
        let config = rustls::ClientConfig::builder_with_provider(provider.into());
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let connect = connect(format!("wss://localhost:{port}/")).tls(TlsConfig::from_rustls(config));
        let (mut socket, _) = connect.await.unwrap();
        echoes(&mut socket, "hello").await;
    });
}

#[test]
fn ws_uses_no_tls_whatever_the_configuration() {
    run(async || {
        let (listener, port) = listen().await;
        let server = async { crate::peer::Peer::of(&listener).await.head().await };
        let connect = connect(format!("ws://localhost:{port}/")).tls(Authority::new("good").trusted()).into_future();
        tokio::select! {
            head = server => assert!(head.starts_with("GET / HTTP/1.1\r\n")),
            _ = connect => unreachable!("nobody answers"),
        }
    });
}
