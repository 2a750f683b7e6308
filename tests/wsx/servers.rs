//! Connections to this project's servers: over HTTP/1.1 and HTTP/2, compressed, and with TLS.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use axum_websocket::WebSocketUpgrade;
use permessage_deflate::PermessageDeflate;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tower_websocket::{Config, WebSocket, accept};

use crate::events::{CLOSED, EOF, OPEN};
use crate::peer::listen;
use crate::program::Wsx;
use crate::run::run;

pub(crate) const HELLO: &str = r#"{"event":"message","text":"hello"}"#;

pub(crate) async fn echo(mut socket: WebSocket<impl AsyncRead + AsyncWrite + Unpin + Send + 'static>) {
    while let Some(Ok(message)) = socket.recv().await {
        socket.send(message).await.expect("a client that stays");
    }
}

/// Starts an echo server, and returns its URL.
pub(crate) async fn axum() -> String {
    let router = Router::new().fallback(any(async |ws: WebSocketUpgrade| ws.protocols(["chat"]).on_upgrade(echo)));
    let (listener, url) = listen().await;
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[test]
fn an_echo_comes_back_over_http1_and_http2() {
    run(async || {
        let url = axum().await;
        let args = ["--send", "hello", "--text", "hello", "--wait", "0.3", "--protocols", "v2,chat"];
        for (more, status) in [(None, 101), (Some("--http2"), 200)] {
            let ended = Wsx::json(&url).args(args).args(more).run().await;
            let open = format!("{{\"event\":\"open\",\"protocol\":\"chat\",\"status\":{status}}}");
            ended.is_clean(&[&open, HELLO, HELLO, CLOSED, EOF]);
        }
    });
}

#[test]
fn the_servers_close_is_told_over_http2_too() {
    run(async || {
        let handler = async |ws: WebSocketUpgrade| {
            ws.on_upgrade(async |mut socket: WebSocket| {
                let _ = socket.close(4001.into(), "over").await;
            })
        };
        let (listener, url) = listen().await;
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(any(handler))).await });
        for args in [None, Some("--http2")] {
            let ended = Wsx::json(&url).args(args).args(["--wait", "20"]).run().await;
            assert_eq!(ended.lines[1..], [r#"{"event":"close","code":4001,"reason":"over"}"#, EOF], "{ended:?}");
            assert_eq!(ended.status, Some(0));
        }
    });
}

#[test]
fn a_server_without_http2_is_an_error() {
    run(async || {
        let (listener, url) = listen().await;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    if let Ok(socket) = accept(stream, Config::server()).await {
                        echo(socket).await;
                    }
                });
            }
        });
        let ended = Wsx::json(&url).args(["--http2"]).run().await;
        assert_eq!((ended.status, &*ended.errors), (Some(1), ""), "{ended:?}");
        assert!(ended.lines[0].starts_with(r#"{"event":"error","message":""#), "{ended:?}");
    });
}

#[test]
fn messages_are_compressed_where_that_is_asked_for() {
    run(async || {
        let (listener, url) = listen().await;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let config = Config::server().extension(PermessageDeflate::new()).expect("one extension");
                let Ok(socket) = accept(stream, config).await else { panic!("no WebSocket") };
                tokio::spawn(echo(socket));
            }
        });
        for (args, extensions) in [(None, "none"), (Some("--deflate"), "permessage-deflate")] {
            let ended = Wsx::plain(&url).args(["--send", "hello", "--wait", "0.3"]).args(args).run().await;
            assert_eq!((ended.status, ended.lines.len()), (Some(0), 3), "{ended:?}");
            assert!(ended.lines[0].ends_with(&format!(", extensions {extensions}")), "{ended:?}");
            assert!(ended.lines[1].ends_with(" < hello"), "{ended:?}");
        }
    });
}

/// Starts an echo server with TLS and a certificate for `localhost`. Returns its URL and the
/// certificate in a PEM file.
pub(crate) async fn secure(name: &str) -> (String, PathBuf) {
    secure_for(name, None).await
}

/// The same, either for all clients or only for those with a certificate.
async fn secure_for(name: &str, client: Option<CertificateDer<'static>>) -> (String, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let file = pem_file(name, "CERTIFICATE", &certificate);
    let provider = Arc::new(ring::default_provider());
    let verifier = match client {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(client) => {
            let mut roots = RootCertStore::empty();
            roots.add(client).expect("a certificate");
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
            verifier.build().expect("a verifier")
        }
    };
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate], key)
        .expect("a certificate and its key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("wss://localhost:{}/", listener.local_addr().expect("an address").port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await
                    && let Ok(socket) = accept(stream, Config::server()).await
                {
                    echo(socket).await;
                }
            });
        }
    });
    (url, file)
}

/// Creates a PEM file.
fn pem_file(name: &str, label: &str, der: &[u8]) -> PathBuf {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("wsx-{name}.pem"));
    let pem = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", base64(der));
    std::fs::write(&file, pem).expect("a file");
    file
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - three.len()));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at > three.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

#[test]
fn a_certificate_is_trusted_that_is_in_the_file_or_where_none_is_verified() {
    run(async || {
        let (url, file) = secure("trusted").await;
        let file = file.to_str().expect("UTF-8");
        for args in [&["--ca", file][..], &["--insecure"]] {
            let ended =
                Wsx::json(&url).args(["--send", "hello", "--wait", "0.3"]).args(args.iter().copied()).run().await;
            ended.is_clean(&[OPEN, HELLO, CLOSED, EOF]);
        }
    });
}

#[test]
fn another_is_an_error_and_an_end() {
    run(async || {
        let (url, _) = secure("untrusted").await;
        let (_, stranger) = secure("stranger").await;
        let ended = Wsx::json(&url).args(["--ca", stranger.to_str().expect("UTF-8")]).run().await;
        assert_eq!((ended.status, ended.lines.len()), (Some(1), 2), "{ended:?}");
        assert!(ended.lines[0].starts_with(r#"{"event":"error","message":"TLS with localhost failed: "#), "{ended:?}");
        assert_eq!(ended.lines[1], EOF);
    });
}

#[test]
fn client_certificate_is_shown_and_its_lack_is_a_tls_error() {
    run(async || {
        let made = rcgen::generate_simple_self_signed(["client".to_owned()]).expect("a certificate");
        let cert = pem_file("client", "CERTIFICATE", made.cert.der());
        let key = pem_file("client-key", "PRIVATE KEY", &made.signing_key.serialize_der());
        let (url, ca) = secure_for("mutual", Some(made.cert.der().clone())).await;
        let [ca, cert, key] = [&ca, &cert, &key].map(|file| file.to_str().expect("UTF-8"));
        for trust in [&["--ca", ca][..], &["--insecure"]] {
            let wsx = || Wsx::json(&url).args(["--send", "hello", "--wait", "0.3"]).args(trust.iter().copied());
            wsx().args(["--cert", cert, "--key", key]).run().await.is_clean(&[OPEN, HELLO, CLOSED, EOF]);
            let ended = wsx().run().await;
            let message = r#"{"event":"error","message":"TLS with localhost failed: "#;
            assert!(ended.status == Some(1) && ended.lines[0].starts_with(message), "{ended:?}");
        }
        // A key that does not match the certificate, and none.
        let other = rcgen::generate_simple_self_signed(["other".to_owned()]).expect("a certificate");
        let other = pem_file("other-key", "PRIVATE KEY", &other.signing_key.serialize_der());
        for key in [other.to_str().expect("UTF-8"), cert, "/there/is/no/such.pem"] {
            let ended = Wsx::json(&url).args(["--ca", ca, "--cert", cert, "--key", key]).run().await;
            assert_eq!((ended.status, ended.lines.len()), (Some(1), 1), "{ended:?}");
        }
    });
}

#[test]
fn platform_without_certificates_is_told_with_the_reason() {
    run(async || {
        let (url, _) = secure("nobody-trusts").await;
        let empty = pem_file("none", "NOTHING", b"");
        for (file, reason) in
            [("/there/is/no/such.pem", "such.pem"), (empty.to_str().expect("UTF-8"), "no certificates")]
        {
            let ended = Wsx::json(&url).env("SSL_CERT_FILE", file).env("SSL_CERT_DIR", "/there/is/none").run().await;
            assert_eq!(ended.status, Some(1), "{ended:?}");
            let told = &ended.lines[0];
            assert!(told.contains("no TLS roots to trust: ") && !told.contains("tls-native-roots"), "{told}");
            assert!(told.contains(reason) || told.contains("/there/is/none"), "{told}");
        }
    });
}
