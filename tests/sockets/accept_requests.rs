//! The callback of [`accept`] that inspects the request.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderValue, Request, Response, StatusCode, header};
use tokio::time::sleep;
use tower_websocket::error::ProtocolError;
use tower_websocket::server::{Accept, AcceptError, Acceptance, HandshakeError};
use tower_websocket::test::{self, Handshake, Peer, Transport};
use tower_websocket::{Config, OriginGuard, Version, WebSocket, accept};
use websocket_tests::wire::{Answer, Handshake as Head, VERSIONS};

use crate::run::run_paused;

type Accepted = Result<WebSocket<Transport>, AcceptError<Transport>>;

/// Returns the result of a handshake and the response. The transport ends after it.
async fn answered(
    handshake: &Head,
    set: impl FnOnce(Accept<Transport>) -> Accept<Transport>,
) -> (Accepted, Answer, String) {
    let (io, other) = test::transport();
    let mut peer = Peer::new(other);
    peer.send_raw(handshake.bytes());
    let mut result = set(accept(io, Config::server().allow_drafts(true).protocols(["configured"]))).await;
    if let Ok(socket) = &mut result {
        socket.flush().await.unwrap();
        peer.cut();
    }
    peer.end();
    let written = peer.rest().await;
    let (answer, length) = Answer::read(&written).expect("an answer");
    (result, answer, String::from_utf8_lossy(&written[length..]).into_owned())
}

fn status(accepted: &Accepted) -> Option<StatusCode> {
    let Err(AcceptError::Refused(ProtocolError::Handshake(error))) = accepted else { return None };
    if let HandshakeError::Refused(status) = **error { Some(status) } else { None }
}

fn protocol_header(version: Version) -> &'static str {
    if version == Version::Hixie75 { "WebSocket-Protocol" } else { "Sec-WebSocket-Protocol" }
}

#[test]
fn callback_sees_the_request_and_refuses() {
    run_paused(async || {
        for version in VERSIONS {
            let handshake = Head::of(version).with("Authorization", "Basic x");
            let target = handshake.target.clone();
            let (accepted, answer, body) = answered(&handshake, |accept| {
                accept.on_request(async move |request: Request<()>| {
                    assert_eq!(request.uri().path(), target);
                    assert_eq!(request.headers()["authorization"], "Basic x");
                    let mut response = Response::new("who are you?\n".to_owned());
                    *response.status_mut() = StatusCode::UNAUTHORIZED;
                    let challenge = HeaderValue::from_static("Bearer");
                    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                    Err(response)
                })
            })
            .await;
            assert_eq!(status(&accepted), Some(StatusCode::UNAUTHORIZED), "{version}");
            assert_eq!((answer.status, body.as_str()), (401, "who are you?\n"));
            assert_eq!(answer.all("WWW-Authenticate"), ["Bearer"]);
            assert_eq!((answer.all("Connection"), answer.all("Content-Length")), (vec!["close"], vec!["13"]));
        }
    });
}

#[test]
fn callback_adds_headers() {
    run_paused(async || {
        for version in VERSIONS {
            let (accepted, answer, _) = answered(&Head::of(version), |accept| {
                accept.on_request(|_| {
                    let acceptance = Acceptance::new()
                        .header(header::SET_COOKIE, HeaderValue::from_static("a=1"))
                        .header(header::SET_COOKIE, HeaderValue::from_static("b=2"))
                        .header(header::SERVER, HeaderValue::from_static("test"));
                    ready(Ok(acceptance))
                })
            })
            .await;
            assert_eq!((accepted.unwrap().version(), answer.status), (version, 101));
            assert_eq!((answer.all("Set-Cookie"), answer.all("Server")), (vec!["a=1", "b=2"], vec!["test"]));
        }
    });
}

#[test]
fn callback_selects_the_subprotocol() {
    run_paused(async || {
        for version in VERSIONS {
            let name = protocol_header(version);
            let offered = if version.is_hixie() { "mine" } else { "configured, mine" };
            let handshake = Head::of(version).with(name, offered);
            for (chosen, expected) in [(Some("mine"), Some("mine")), (Some("theirs"), None)] {
                let (accepted, answer, _) = answered(&handshake, |accept| {
                    accept.on_request(move |_| ready(Ok(Acceptance::new().protocol(chosen.unwrap()))))
                })
                .await;
                assert_eq!((accepted.unwrap().protocol(), answer.all(name)), (expected, Vec::from_iter(expected)));
            }
            // Without a selection, that of the configuration applies.
            let (accepted, answer, _) =
                answered(&handshake, |accept| accept.on_request(|_| ready(Ok(Acceptance::default())))).await;
            let expected = (!version.is_hixie()).then_some("configured");
            assert_eq!((accepted.unwrap().protocol(), answer.all(name)), (expected, Vec::from_iter(expected)));
        }
    });
}

#[test]
fn callback_that_adds_a_reserved_header_fails_the_handshake() {
    run_paused(async || {
        for name in [header::CONNECTION, header::SEC_WEBSOCKET_ACCEPT, header::CONTENT_LENGTH] {
            let (accepted, answer, _) = answered(&Head::hybi("13"), |accept| {
                let acceptance = Acceptance::new().header(name.clone(), HeaderValue::from_static("x"));
                accept.on_request(move |_| ready(Ok(acceptance)))
            })
            .await;
            assert_eq!((status(&accepted), answer.status), (Some(StatusCode::INTERNAL_SERVER_ERROR), 500), "{name}");
        }
    });
}

#[test]
fn callback_is_not_called_for_invalid_requests() {
    run_paused(async || {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = |accept: Accept<Transport>| {
            let calls = calls.clone();
            accept.on_request(move |_| {
                calls.fetch_add(1, Ordering::Relaxed);
                ready(Ok(Acceptance::new()))
            })
        };
        for (handshake, status) in [(Head::hybi("12"), 426), (Head::hybi("13").without("Sec-WebSocket-Key"), 400)] {
            assert_eq!(answered(&handshake, count).await.1.status, status);
        }
        let guard = OriginGuard::new();
        let foreign = Head::hybi("13").with("Origin", "http://evil.example");
        assert_eq!(answered(&foreign, |accept| count(accept).check_origin(&guard)).await.1.status, 403);
        // Plain HTTP is returned to the caller.
        let (io, other) = test::transport();
        let mut peer = Peer::new(other);
        peer.send_raw(Head::get("/").bytes());
        assert!(matches!(count(accept(io, Config::server())).await, Err(AcceptError::PlainHttp(_))));
        assert_eq!(calls.load(Ordering::Relaxed), 0);
        assert_eq!(answered(&Head::hybi("13"), count).await.1.status, 101);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn callback_may_wait_within_the_handshake_timeout() {
    run_paused(async || {
        for (seconds, is_accepted) in [(9, true), (11, false)] {
            let (io, other) = test::transport();
            let mut peer = Peer::new(other);
            let accepting = accept(io, Config::server()).on_request(async move |_| {
                sleep(Duration::from_secs(seconds)).await;
                Ok(Acceptance::new().protocol("chat"))
            });
            let accepting = tokio::spawn(accepting.into_future());
            if is_accepted {
                let response = peer.open(Handshake::new("/").protocols("chat")).await;
                assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
                // Data sent early is received.
                peer.send_text("hello");
                let mut socket = accepting.await.unwrap().unwrap();
                assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("hello"));
            } else {
                peer.send_raw(Head::hybi("13").bytes());
                assert!(matches!(accepting.await.unwrap(), Err(AcceptError::TimedOut)));
                peer.expect_eof().await;
            }
        }
    });
}
