//! With this project's own servers: over HTTP/1.1 and HTTP/2, compressed, and through TLS.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use axum_websocket::WebSocketUpgrade;
use permessage_deflate::PermessageDeflate;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tower_websocket::{Config, WebSocket, accept};

use crate::events::{CLOSED, EOF, OPEN};
use crate::peer::listen;
use crate::program::Wsx;
use crate::run::run;

const HELLO: &str = r#"{"event":"message","text":"hello"}"#;

async fn echo(mut socket: WebSocket<impl AsyncRead + AsyncWrite + Unpin + Send + 'static>) {
    while let Some(Ok(message)) = socket.recv().await {
        socket.send(message).await.expect("a client that stays");
    }
}

async fn axum() -> String {
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

/// An echo server by TLS with a certificate for `localhost`, its URL and the certificate in a PEM file.
async fn secure(name: &str) -> (String, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("wsx-{name}.pem"));
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", base64(&certificate));
    std::fs::write(&file, pem).expect("a file");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_no_client_auth()
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
