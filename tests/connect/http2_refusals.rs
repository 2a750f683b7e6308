//! Responses over HTTP/2 that refuse a WebSocket. The error contains the response.

use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::{Response, StatusCode, Version, header};
use tokio::time::Instant;
use tower_websocket::client::{ConnectError, ResponseError, ResponseFault};
use tower_websocket::error::ProtocolError;
use tower_websocket::{ClientConfig, CloseCode, Config, WebSocket, connect};
use websocket_tests::chain::chain;

use crate::http2_peer::{Asked, Http2Peer, Tunnel, builder, connection, open_on, over_memory};
use crate::run::{run, run_paused};

type Opened = Result<(WebSocket, Response<()>), ConnectError>;

fn refusal(opened: Opened) -> ResponseError {
    let Err(ConnectError::Refused(ProtocolError::Response(error))) = opened else { panic!("{opened:?}") };
    *error
}

/// Returns the client's result for a response. The server's side stays open.
async fn answered<T>(config: ClientConfig, answer: impl FnOnce(Asked) -> T) -> (Opened, T, Http2Peer) {
    let (connect, peer) = over_memory(builder());
    let server = async {
        let mut peer = peer.await;
        let answered = answer(peer.asked().await.expect("a request"));
        (answered, peer)
    };
    let (opened, (answered, peer)) = tokio::join!(connect.config(config).into_future(), server);
    (opened, answered, peer)
}

/// Returns a head with this status and these headers.
fn head(status: u16, headers: &[(&'static str, &str)]) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    for (name, value) in headers {
        response.headers_mut().append(*name, value.parse().expect("a value"));
    }
    response
}

#[test]
fn refusal_has_status_and_headers_and_body() {
    run(async || {
        for status in [300, 400, 401, 403, 404, 429, 500, 503] {
            let status = StatusCode::from_u16(status).unwrap();
            let (opened, _tunnel, _peer) =
                answered(Config::client(), |asked| asked.refuse(status, "keep out", true)).await;
            let error = refusal(opened);
            assert_eq!((&error.fault, error.status), (&ResponseFault::Status, Some(status)));
            assert_eq!(error.version, Some(Version::HTTP_2));
            assert_eq!(error.headers["x-one"], "1");
            assert_eq!(error.body, "keep out");
            assert!(chain(&error).contains(status.as_str()), "{error}");
        }
    });
}

#[test]
fn refusal_without_a_body_is_reported_at_once() {
    run_paused(async || {
        let begin = Instant::now();
        let response = head(401, &[("www-authenticate", "Basic realm=\"here\"")]);
        let (opened, (), _peer) = answered(Config::client(), |mut asked| {
            asked.respond.send_response(response, true).unwrap();
        })
        .await;
        let error = refusal(opened);
        assert_eq!((error.status, error.body.len()), (Some(StatusCode::UNAUTHORIZED), 0));
        assert!(chain(&error).contains("Basic realm=\"here\""), "{error}");
        assert_eq!(begin.elapsed().as_secs(), 0);
    });
}

#[test]
fn long_body_is_kept_partially_and_the_rest_is_not_waited_for() {
    run_paused(async || {
        let long: Bytes = (0..100_000_u32).map(|i| i as u8).collect();
        for (length, is_end) in [(4095, true), (4096, true), (4096, false), (4097, false), (100_000, false)] {
            let begin = Instant::now();
            let (opened, mut tunnel, _peer) = answered(Config::client(), |asked| {
                asked.refuse(StatusCode::INTERNAL_SERVER_ERROR, long.slice(..length), is_end)
            })
            .await;
            assert_eq!(refusal(opened).body, long.slice(..length.min(4096)), "{length}");
            assert_eq!(begin.elapsed().as_secs(), 0, "{length}");
            if !is_end {
                // The stream is reset when the attempt fails.
                assert_eq!(tunnel.reset().await, Reason::CANCEL);
            }
        }
    });
}

#[test]
fn body_in_pieces_is_joined() {
    run(async || {
        let (opened, _tunnel, _peer) = answered(Config::client(), |asked| {
            let mut tunnel = asked.refuse(StatusCode::FORBIDDEN, "keep ", false);
            tunnel.write_bytes("", false);
            tunnel.write_bytes("o", false);
            tunnel.write_bytes("ut", true);
            tunnel
        })
        .await;
        assert_eq!(refusal(opened).body, "keep out");
    });
}

/// As over HTTP/1.1: the part that has arrived is reported when the timeout expires.
#[test]
fn refusal_with_an_endless_body_is_reported_at_the_timeout() {
    run_paused(async || {
        for (limit, seconds) in [(None, 10), (Some(3), 3)] {
            for body in ["", "keep out"] {
                let begin = Instant::now();
                let (mut connect, peer) = over_memory(builder());
                if let Some(limit) = limit {
                    connect = connect.timeout(Duration::from_secs(limit));
                }
                let server = async {
                    let mut peer = peer.await;
                    let asked = peer.asked().await.expect("a request");
                    (asked.refuse(StatusCode::FORBIDDEN, body, false), peer)
                };
                let (opened, (mut tunnel, _peer)) = tokio::join!(connect.into_future(), server);
                let error = refusal(opened);
                assert_eq!((error.status, &*error.body), (Some(StatusCode::FORBIDDEN), body.as_bytes()));
                assert_eq!(begin.elapsed().as_secs(), seconds);
                assert_eq!(tunnel.reset().await, Reason::CANCEL);
            }
        }
    });
}

#[test]
fn truncated_body_is_reported_as_received() {
    run_paused(async || {
        let breaks: [fn(&mut Tunnel); 2] = [
            |tunnel| tunnel.send.send_reset(Reason::INTERNAL_ERROR),
            |tunnel| tunnel.send.send_reset(Reason::NO_ERROR),
        ];
        for breaks in breaks {
            let (connect, peer) = over_memory(builder());
            let server = async {
                let mut peer = peer.await;
                let mut tunnel = peer.asked().await.expect("a request").refuse(StatusCode::FORBIDDEN, "keep", false);
                tokio::time::sleep(Duration::from_secs(1)).await;
                breaks(&mut tunnel);
                peer
            };
            let begin = Instant::now();
            let (opened, _peer) = tokio::join!(connect.into_future(), server);
            let error = refusal(opened);
            assert_eq!((error.status, &*error.body), (Some(StatusCode::FORBIDDEN), &b"keep"[..]));
            assert_eq!(begin.elapsed().as_secs(), 1);
        }
    });
}

#[test]
fn any_2xx_opens_and_a_103_before_it_is_skipped() {
    run(async || {
        for status in [200, 201, 204] {
            let (opened, mut tunnel, _peer) = answered(Config::client(), |mut asked| {
                asked.respond.send_informational(head(103, &[("link", "</style.css>")])).unwrap();
                asked.answer(head(status, &[("x-last", "yes")]))
            })
            .await;
            let (mut socket, response) = opened.unwrap();
            assert_eq!((response.status().as_u16(), &response.headers()["x-last"]), (status, &"yes".parse().unwrap()));
            assert!(!response.headers().contains_key(header::LINK));
            socket.send("hello").await.unwrap();
            tunnel.expect("hello").await;
        }
    });
}

#[test]
fn response_that_ends_the_stream_opens_a_socket_that_has_ended() {
    run(async || {
        let (opened, (), _peer) = answered(Config::client(), |mut asked| {
            asked.respond.send_response(head(200, &[]), true).unwrap();
        })
        .await;
        let (mut socket, _) = opened.unwrap();
        assert!(socket.recv().await.is_none());
        assert_eq!(socket.close_frame().map(|close| close.code), Some(CloseCode::ABNORMAL));
    });
}

/// RFC 9113 §8.2.2: such a request is malformed. It is not a transient network failure.
#[test]
fn headers_that_http_2_forbids_are_reported() {
    run(async || {
        let (connection, mut peer) = connection(builder()).await;
        for (name, value) in [("keep-alive", "timeout=5"), ("proxy-connection", "close"), ("te", "gzip")] {
            let error = connect("ws://example.com/").header(name, value).on(&connection).await.unwrap_err();
            assert!(!error.is_transient(), "{name}: {error:?}");
        }
        let client = connect("ws://example.com/").header("te", "trailers").on(&connection).into_future();
        let (opened, _tunnel) = tokio::join!(client, peer.accept());
        opened.unwrap();
    });
}

#[test]
fn server_must_select_from_the_offers() {
    run(async || {
        let chat = [("sec-websocket-protocol", "chat")];
        for config in [Config::client(), Config::client().protocols(["superchat"])] {
            let (opened, mut tunnel, _peer) = answered(config, |asked| asked.answer(head(200, &chat))).await;
            let error = refusal(opened);
            assert_eq!((error.fault, error.status), (ResponseFault::Protocol, Some(StatusCode::OK)));
            assert_eq!(tunnel.reset().await, Reason::CANCEL);
        }
        let deflate = [("sec-websocket-extensions", "permessage-deflate")];
        let (opened, _tunnel, _peer) = answered(Config::client(), |asked| asked.answer(head(200, &deflate))).await;
        assert!(matches!(refusal(opened).fault, ResponseFault::Extension(_)));
    });
}

#[test]
fn refusal_does_not_affect_other_streams() {
    run(async || {
        let (connection, mut peer) = connection(builder()).await;
        let (mut socket, mut tunnel) = open_on(&connection, &mut peer, Config::client()).await;
        for _ in 0..3 {
            let client = connect("ws://example.com/").on(&connection).into_future();
            let server = async { peer.asked().await.unwrap().refuse(StatusCode::FORBIDDEN, vec![7; 10_000], false) };
            let (opened, _refused) = tokio::join!(client, server);
            assert_eq!(refusal(opened).status, Some(StatusCode::FORBIDDEN));
        }
        socket.send("still here").await.unwrap();
        tunnel.expect("still here").await;
        open_on(&connection, &mut peer, Config::client()).await;
    });
}

#[test]
fn server_sees_the_request() {
    run(async || {
        let (connection, mut peer) = connection(builder()).await;
        let client = connect("ws://Aladdin:open%20sesame@example.com/a%20b?c=d")
            .protocols(["chat", "mqtt"])
            .header("X-One", "1")
            .header("x-one", "2")
            .header(header::ORIGIN, "https://example.com")
            .on(&connection)
            .into_future();
        let server = async {
            let asked = peer.asked().await.unwrap();
            let request = &asked.request;
            assert_eq!((request.method(), request.version()), (&http::Method::CONNECT, Version::HTTP_2));
            assert_eq!(request.uri(), "http://example.com/a%20b?c=d");
            let all = |name: &str| request.headers().get_all(name).iter().collect::<Vec<_>>();
            assert_eq!(all("x-one"), ["1", "2"]);
            assert_eq!(all("origin"), ["https://example.com"]);
            assert_eq!(all("authorization"), ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]);
            assert_eq!(all("sec-websocket-version"), ["13"]);
            assert_eq!(all("sec-websocket-protocol"), ["chat, mqtt"]);
            assert_eq!(request.headers().len(), 6, "{:?}", request.headers());
            asked.accept()
        };
        let (opened, _tunnel) = tokio::join!(client, server);
        opened.unwrap();
    });
}
