//! Responses that refuse a WebSocket. The error contains the response.

use http::{StatusCode, header};
use tower_websocket::client::{ConnectError, ResponseError, ResponseFault};
use tower_websocket::error::ProtocolError;
use tower_websocket::server::HeadError;
use tower_websocket::{ClientConfig, Config, connect};
use websocket_tests::chain::chain;
use websocket_tests::wire::ACCEPT;

use crate::peer::{Peer, echo_server, listen, sample_config, upgraded};
use crate::run::run;

/// Returns the client's error for a response, after which the server closes the connection.
async fn refused(answer: impl AsRef<[u8]>) -> ResponseError {
    refused_with(sample_config(), answer, true).await
}

async fn refused_with(config: ClientConfig, answer: impl AsRef<[u8]>, ends: bool) -> ResponseError {
    let (listener, port) = listen().await;
    let server = async {
        let mut peer = Peer::of(&listener).await;
        peer.head().await;
        // The client may have closed the connection already.
        let _ = peer.try_write(answer).await;
        if !ends {
            assert!(peer.rest().await.is_empty(), "the client ends the connection");
        }
    };
    let client = async {
        let opened = connect(format!("ws://127.0.0.1:{port}/")).config(config).await;
        let Err(ConnectError::Refused(ProtocolError::Response(error))) = opened else { panic!("{opened:?}") };
        *error
    };
    tokio::join!(client, server).0
}

#[test]
fn refusal_401_reports_the_challenge() {
    run(async || {
        let head = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"here\"\r\nContent-Length: 0\r\n\r\n";
        let error = refused_with(sample_config(), head, false).await;
        assert_eq!((&error.fault, error.status), (&ResponseFault::Status, Some(StatusCode::UNAUTHORIZED)));
        assert_eq!(error.headers[header::WWW_AUTHENTICATE], "Basic realm=\"here\"");
        assert!(error.body.is_empty());
        let told = ConnectError::Refused(error.into()).to_string();
        assert!(told.contains("401") && told.contains("Basic realm=\"here\""), "{told}");
    });
}

#[test]
fn refusal_403_keeps_its_body() {
    run(async || {
        let body = "{\"error\":\"keep out\"}";
        let head = "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n";
        let sized = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        let until_the_end = format!("{head}Connection: close\r\n\r\n{body}");
        for (answer, ends) in [(&sized, false), (&sized, true), (&until_the_end, true)] {
            let error = refused_with(sample_config(), answer, ends).await;
            assert_eq!(error.status, Some(StatusCode::FORBIDDEN));
            assert_eq!(error.headers[header::CONTENT_TYPE], "application/json");
            assert_eq!(error.body, body);
        }
    });
}

#[test]
fn long_body_is_kept_partially() {
    run(async || {
        let body = "x".repeat(100_000);
        // The rest is not waited for.
        for head in ["", "Content-Length: 100001\r\n"] {
            let error = refused_with(sample_config(), format!("HTTP/1.1 500 Oh\r\n{head}\r\n{body}"), true).await;
            assert_eq!(error.status, Some(StatusCode::INTERNAL_SERVER_ERROR));
            assert_eq!(error.body, body[..4096]);
        }
    });
}

#[test]
fn refusal_503_of_http_1_0_reports_the_proxy() {
    run(async || {
        let error = refused("HTTP/1.0 503 Service Unavailable\r\nVia: 1.0 cache\r\n\r\nlater").await;
        assert_eq!(error.status, Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(error.body, "later");
        assert!(chain(&error).contains("503"), "{error}");
        assert_eq!(error.hint().as_deref(), Some("Via: 1.0 cache"));
    });
}

#[test]
fn redirection_is_reported_and_not_followed() {
    run(async || {
        let answer = "HTTP/1.1 302 Found\r\nLocation: wss://example.com/\r\nContent-Length: 0\r\n\r\n";
        let error = refused_with(sample_config(), answer, false).await;
        assert_eq!(error.status, Some(StatusCode::FOUND));
        assert!(chain(&error).contains("wss://example.com/"), "{error}");
    });
}

#[test]
fn refusal_426_reports_the_versions() {
    run(async || {
        let answer = "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 8, 7\r\nContent-Length: 0\r\n\r\n";
        let error = refused_with(sample_config(), answer, false).await;
        assert!(chain(&error).contains("8, 7"), "{error}");
    });
}

#[test]
fn refusal_hint_names_all_values_of_a_header() {
    run(async || {
        let rows = [
            (
                "401 Unauthorized",
                "WWW-Authenticate: Negotiate\r\nWWW-Authenticate: Basic realm=\"x\"",
                "Negotiate, Basic",
            ),
            ("426 Upgrade Required", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 8, 7", "13, 8, 7"),
            ("403 Forbidden", "Via: 1.1 first\r\nVia: 1.1 second", "1.1 first, 1.1 second"),
        ];
        for (status, headers, told) in rows {
            let answer = format!("HTTP/1.1 {status}\r\n{headers}\r\nContent-Length: 0\r\n\r\n");
            let error = refused_with(sample_config(), answer, false).await;
            assert!(error.hint().is_some_and(|hint| hint.contains(told)), "{error}");
        }
    });
}

#[test]
fn response_200_is_not_an_upgrade() {
    run(async || {
        let error = refused_with(sample_config(), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false).await;
        assert_eq!((error.fault, error.status), (ResponseFault::Status, Some(StatusCode::OK)));
        assert_eq!(error.body, "hello");
    });
}

#[test]
fn http_2_server_is_recognized() {
    run(async || {
        // RFC 9113 §3.4: SETTINGS are sent first. These have one entry.
        let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 1];
        let error = refused_with(sample_config(), settings, false).await;
        assert_eq!((&error.fault, error.status), (&ResponseFault::NotHttp, None));
        assert_eq!(error.body[..], settings);
        assert!(chain(&error).contains("HTTP/2"), "{error}");
    });
}

#[test]
fn response_that_is_not_http_is_reported_at_once() {
    run(async || {
        let error = refused_with(sample_config(), "SSH-2.0-OpenSSH\r\n", false).await;
        assert_eq!(error.fault, ResponseFault::NotHttp);
        assert_eq!(error.body, "SSH-2.0-OpenSSH\r\n");
    });
}

#[test]
fn head_is_limited() {
    run(async || {
        let endless = format!("HTTP/1.1 101 Switching Protocols\r\nX: {}", "x".repeat(2000));
        let error = refused_with(sample_config().max_head_size(1000), endless, true).await;
        assert_eq!(error.fault, ResponseFault::Head(HeadError::TooLarge { limit: 1000 }));
        let error = refused("HTTP/1.1 101 Switching Protocols\r\n no name\r\n\r\n").await;
        assert_eq!(error.fault, ResponseFault::Head(HeadError::Malformed));
    });
}

#[test]
fn response_101_must_match_the_key() {
    run(async || {
        let accept = format!("Sec-WebSocket-Accept: {ACCEPT}\r\n");
        let answer = |headers: &str| format!("HTTP/1.1 101 Switching Protocols\r\n{headers}\r\n");
        let upgrade = "Upgrade: websocket\r\n";
        let connection = "Connection: Upgrade\r\n";
        let error = refused(answer(&format!("{connection}{accept}"))).await;
        assert_eq!((error.fault, error.status), (ResponseFault::Upgrade, Some(StatusCode::SWITCHING_PROTOCOLS)));
        assert_eq!(refused(answer(&format!("{upgrade}{accept}"))).await.fault, ResponseFault::Connection);
        assert_eq!(refused(answer(&format!("{upgrade}{connection}"))).await.fault, ResponseFault::Accept);
        // For another key.
        let error = refused_with(Config::client(), upgraded(""), true).await;
        assert_eq!(error.fault, ResponseFault::Accept);
    });
}

#[test]
fn response_101_must_select_from_the_offers() {
    run(async || {
        let chat = upgraded("Sec-WebSocket-Protocol: chat\r\n");
        assert_eq!(refused(&chat).await.fault, ResponseFault::Protocol);
        let error = refused_with(sample_config().protocols(["superchat"]), &chat, true).await;
        assert_eq!(error.fault, ResponseFault::Protocol);
        assert_eq!(error.headers[header::SEC_WEBSOCKET_PROTOCOL], "chat");
        let error = refused(upgraded("Sec-WebSocket-Extensions: permessage-deflate\r\n")).await;
        assert!(matches!(error.fault, ResponseFault::Extension(_)), "{error:?}");
    });
}

#[test]
fn server_of_this_project_refuses_with_a_reason() {
    run(async || {
        let port = echo_server(Config::server().max_head_size(100)).await;
        let opened = connect(format!("ws://127.0.0.1:{port}/")).await;
        let Err(ConnectError::Refused(ProtocolError::Response(error))) = opened else { panic!("{opened:?}") };
        assert_eq!(error.status, Some(StatusCode::BAD_REQUEST));
        assert!(String::from_utf8_lossy(&error.body).contains("exceeds 100 bytes"), "{:?}", error.body);
    });
}
