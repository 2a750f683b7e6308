//! WebSockets on HTTP/2 (RFC 8441) with hyper's client, without TLS by prior knowledge, and with
//! TLS by ALPN.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tower_websocket::{CloseFrame, Config, Version};
use websocket_tests::wire::{Frame, ServerFrame};

use crate::client::Client;
use crate::run::run;
use crate::stacks::{INNER, Seen, Server, Stack, config};
use crate::wire::Wire;

/// A connection with many streams.
pub(crate) struct Connection {
    sender: SendRequest<Empty<Bytes>>,
}

/// The response to a request that was refused.
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Connection {
    pub(crate) async fn to(server: &Server) -> Self {
        let io = TokioIo::new(server.connect_http2().await);
        let (sender, connection) = handshake(TokioExecutor::new(), io).await.expect("HTTP/2");
        tokio::spawn(connection);
        Self { sender }
    }

    pub(crate) async fn open(&mut self, request: Request<Empty<Bytes>>, protocol: Option<&str>) -> Client {
        let mut response = self.sender.send_request(request).await.expect("a response");
        assert_eq!(response.status(), 200);
        // RFC 8441 §5: these headers are not used on HTTP/2.
        for name in ["upgrade", "connection", "sec-websocket-accept", "content-length"] {
            assert!(!response.headers().contains_key(name), "{name}");
        }
        let agreed = response.headers().get_all("sec-websocket-protocol").iter();
        assert!(agreed.eq(protocol.as_slice()));
        let upgraded = hyper::upgrade::on(&mut response).await.expect("a tunnel");
        Client { wire: Wire::new(TokioIo::new(upgraded)), version: Version::Hybi13 }
    }

    pub(crate) async fn refused(&mut self, request: Request<Empty<Bytes>>) -> Refusal {
        let response = self.sender.send_request(request).await.expect("a response");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let body = String::from_utf8(body.into()).expect("a body of text");
        Refusal { status: parts.status, headers: parts.headers, body }
    }
}

/// Returns a CONNECT request with this `:protocol` and `Sec-WebSocket-Version`.
pub(crate) fn connect(protocol: Option<&'static str>, version: Option<&str>) -> Request<Empty<Bytes>> {
    // Without `:protocol` there is neither a scheme nor a path (RFC 9113 §8.5).
    let uri = if protocol.is_some() { "https://example.com/chat?room=1" } else { "example.com:443" };
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = uri.parse().expect("a URI");
    if let Some(protocol) = protocol {
        request.extensions_mut().insert(Protocol::from_static(protocol));
    }
    if let Some(version) = version {
        request.headers_mut().insert("sec-websocket-version", version.parse().expect("a value"));
    }
    request
}

pub(crate) fn websocket() -> Request<Empty<Bytes>> {
    connect(Some("websocket"), Some("13"))
}

#[test]
fn messages_are_echoed_and_a_close_ends_the_stream() {
    run(async || {
        for stack in Stack::HTTP2 {
            let mut server = stack.serve(config()).await;
            let mut client = Connection::to(&server).await.open(websocket(), None).await;
            assert_eq!(server.seen().await, Seen::Opened { version: Version::Hybi13, protocol: None });
            client.echo(&["hello", "there", ""]).await;
            let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
            client.wire.write(Frame::binary(&bytes).bytes()).await;
            assert_eq!(client.wire.frame().await, ServerFrame::new(2, &bytes));
            client.wire.write(Frame::ping("ping").bytes()).await;
            assert_eq!(client.wire.frame().await, ServerFrame::pong("ping"));
            client.close().await;
            let told = CloseFrame { code: 4321.into(), reason: "done".into() };
            assert_eq!(server.seen().await, Seen::Closed(Some(told)));
        }
    });
}

#[test]
fn server_close_ends_the_stream() {
    run(async || {
        for stack in Stack::HTTP2 {
            let server = stack.serve(config()).await;
            let mut client = Connection::to(&server).await.open(websocket(), None).await;
            client.send(&["close"]).await;
            client.expect_close(4000, "bye").await;
        }
    });
}

#[test]
fn violation_is_answered_and_ends_the_stream() {
    run(async || {
        for stack in Stack::HTTP2 {
            let server = stack.serve(config()).await;
            let mut client = Connection::to(&server).await.open(websocket(), None).await;
            // Clients still mask on HTTP/2.
            client.wire.write(Frame::text("not masked").unmasked().bytes()).await;
            assert_eq!(client.wire.frame().await.close_code(), Some(1002));
            client.wire.eof().await;
        }
    });
}

#[test]
fn stream_end_without_a_close_is_reported_as_such() {
    run(async || {
        for stack in Stack::HTTP2 {
            let mut server = stack.serve(config()).await;
            let mut client = Connection::to(&server).await.open(websocket(), None).await;
            assert!(matches!(server.seen().await, Seen::Opened { .. }));
            client.send(&["last"]).await;
            client.wire.half_close().await;
            assert_eq!(client.text().await, "last");
            client.wire.eof().await;
            assert_eq!(server.seen().await, Seen::Closed(Some(tower_websocket::CloseCode::ABNORMAL.into())));
        }
    });
}

#[test]
fn subprotocol_is_negotiated() {
    run(async || {
        for stack in Stack::HTTP2 {
            let mut server = stack.serve(config()).await;
            let mut request = websocket();
            request.headers_mut().insert("sec-websocket-protocol", "mqtt, chat".parse().unwrap());
            let client = Connection::to(&server).await.open(request, Some("chat")).await;
            let opened = Seen::Opened { version: Version::Hybi13, protocol: Some("chat".into()) };
            assert_eq!(server.seen().await, opened);
            client.close().await;
        }
    });
}

#[test]
fn connection_carries_several_sockets() {
    run(async || {
        for stack in Stack::HTTP2 {
            let server = stack.serve(config()).await;
            let mut connection = Connection::to(&server).await;
            let mut clients = Vec::new();
            for _ in 0..10 {
                clients.push(connection.open(websocket(), None).await);
            }
            for (number, client) in clients.iter_mut().enumerate() {
                client.send(&[&format!("hello {number}"), &format!("bye {number}")]).await;
            }
            for (number, client) in clients.iter_mut().enumerate().rev() {
                assert_eq!(client.text().await, format!("hello {number}"));
                assert_eq!(client.text().await, format!("bye {number}"));
            }
            // The end of some sockets does not affect the others.
            let rest = clients.split_off(5);
            for client in clients {
                client.close().await;
            }
            for mut client in rest {
                client.echo(&["still here"]).await;
                client.close().await;
            }
            connection.open(websocket(), None).await.close().await;
        }
    });
}

#[test]
fn wrong_version_is_answered_with_426_and_no_upgrade_header() {
    run(async || {
        for stack in Stack::HTTP2 {
            let server = stack.serve(config()).await;
            let mut connection = Connection::to(&server).await;
            // The drafts are older than HTTP/2.
            for version in [Some("8"), Some("7"), Some("12"), Some("14"), Some(""), None] {
                let refusal = connection.refused(connect(Some("websocket"), version)).await;
                assert_eq!(refusal.status, 426, "{version:?}");
                assert_eq!(refusal.headers["sec-websocket-version"], "13");
                assert!(!refusal.headers.contains_key("upgrade") && !refusal.headers.contains_key("connection"));
                assert!(refusal.body.contains("version") && refusal.body.lines().count() == 1, "{:?}", refusal.body);
            }
            connection.open(websocket(), None).await.close().await;
        }
    });
}

#[test]
fn connect_to_another_protocol_reaches_the_inner_service_of_the_layer() {
    run(async || {
        for stack in [Stack::AxumLayer, Stack::Tower, Stack::Tls] {
            let server = stack.serve(config()).await;
            let mut connection = Connection::to(&server).await;
            for (protocol, version) in [(None, None), (None, Some("13")), (Some("connect-udp"), Some("13"))] {
                let answer = connection.refused(connect(protocol, version)).await;
                assert_eq!((answer.status.as_u16(), answer.body.as_str()), (404, INNER));
            }
        }
    });
}

#[test]
fn connect_to_another_protocol_is_rejected_by_the_extractor() {
    run(async || {
        let server = Stack::Axum.serve(config()).await;
        let mut connection = Connection::to(&server).await;
        for protocol in [None, Some("connect-udp")] {
            let refusal = connection.refused(connect(protocol, Some("13"))).await;
            assert_eq!(refusal.status, 400, "{protocol:?}");
            assert_eq!(refusal.body.lines().count(), 1, "{:?}", refusal.body);
        }
    });
}

#[test]
fn get_is_plain_http_to_the_layer_and_rejected_by_the_extractor() {
    run(async || {
        for stack in Stack::HTTP2 {
            let server = stack.serve(config()).await;
            let mut request = Request::new(Empty::new());
            *request.uri_mut() = "https://example.com/chat".parse().unwrap();
            // Headers alone do not make it a handshake.
            request.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
            let answer = Connection::to(&server).await.refused(request).await;
            match stack {
                Stack::Axum => {
                    assert_eq!((answer.status.as_u16(), &answer.headers["allow"]), (405, &"CONNECT".parse().unwrap()));
                }
                _ => assert_eq!((answer.status.as_u16(), answer.body.as_str()), (404, INNER)),
            }
        }
    });
}

#[test]
fn host_that_differs_from_the_authority_is_refused() {
    run(async || {
        for stack in Stack::HTTP2 {
            let server = stack.serve(config()).await;
            let mut connection = Connection::to(&server).await;
            for host in ["example.org", "example.com:8443"] {
                let mut request = websocket();
                request.headers_mut().insert("host", host.parse().unwrap());
                let refusal = connection.refused(request).await;
                assert_eq!(refusal.status, 400, "{host}");
                assert!(refusal.body.contains("Host"), "{}", refusal.body);
            }
            let mut request = websocket();
            request.headers_mut().insert("host", "Example.COM:443".parse().unwrap());
            connection.open(request, None).await.close().await;
        }
    });
}

#[test]
fn oversized_head_is_refused() {
    run(async || {
        for stack in Stack::HTTP2 {
            let server = stack.serve(config().max_head_size(4000)).await;
            let mut connection = Connection::to(&server).await;
            // 100 fields are the default limit.
            for (count, size, reason) in [(1, 4000, "4000 bytes"), (100, 0, "100 header fields")] {
                let mut request = websocket();
                for _ in 0..count {
                    request.headers_mut().append("x-filler", "x".repeat(size).parse().unwrap());
                }
                let refusal = connection.refused(request).await;
                assert_eq!(refusal.status, 400);
                assert!(refusal.body.contains(reason), "{}", refusal.body);
            }
            connection.open(websocket(), None).await.close().await;
        }
    });
}

#[test]
fn message_over_the_limit_closes_only_its_stream() {
    run(async || {
        for stack in Stack::HTTP2 {
            let server = stack.serve(Config::server().max_message_size(1000)).await;
            let mut connection = Connection::to(&server).await;
            let mut other = connection.open(websocket(), None).await;
            let mut client = connection.open(websocket(), None).await;
            client.wire.write(Frame::binary([7; 1001]).bytes()).await;
            assert_eq!(client.wire.frame().await.close_code(), Some(1009));
            client.wire.eof().await;
            other.echo(&["still here"]).await;
            other.close().await;
        }
    });
}
