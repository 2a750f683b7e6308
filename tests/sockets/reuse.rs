//! Refusals by HTTP stacks do not close the connection unnecessarily: the next request is answered.

use axum_websocket::WebSocketUpgrade;
use futures_util::FutureExt;
use http::{HeaderMap, StatusCode};
use tower_websocket::{Budget, CloseCode, Config, OriginGuard, Shutdown, Version, WebSocket, WebSocketLayer};
use websocket_tests::wire::{Handshake, VERSIONS};

use crate::http2::{Connection, connect, websocket};
use crate::run::run;
use crate::serve::{How, serve};
use crate::stacks::{INNER, Stack, axum, config};
use crate::wire::Wire;

/// Asserts that the head of a refusal contains only expected headers, none of which identifies the
/// server.
fn no_banner<'a>(names: impl Iterator<Item = &'a str>, body: &str) {
    for name in names {
        let name = name.to_ascii_lowercase();
        let known = [
            "content-type",
            "content-length",
            "date",
            "upgrade",
            "connection",
            "sec-websocket-version",
            "retry-after",
            "allow",
            "vary",
        ];
        assert!(known.contains(&&*name), "{name}");
    }
    for word in ["rust", "hyper", "axum", "tower", "src/", "panicked", "0.1"] {
        assert!(!body.to_lowercase().contains(word), "{body:?}");
    }
}

/// Sends the handshakes repeatedly on one connection, and then another request.
async fn all_on_one(mut wire: Wire, handshakes: &[Handshake], status: u16) {
    for handshake in handshakes.iter().chain(handshakes) {
        wire.write(handshake.bytes()).await;
        let (answer, body) = wire.response().await;
        assert_eq!(answer.status, status, "{body}");
        no_banner(answer.headers.iter().map(|(name, _)| name.as_str()), &body);
        assert!(!answer.all("connection").iter().any(|value| value.contains("close")), "{answer:?}");
    }
    wire.write(b"GET /other HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
    let (answer, _) = wire.response().await;
    assert!([404, 400].contains(&answer.status), "{answer:?}");
}

fn hybi() -> Handshake {
    Handshake::of(Version::Hybi13)
}

#[test]
fn http_1_connection_continues_after_every_refusal() {
    run(async || {
        for stack in [Stack::Axum, Stack::AxumLayer, Stack::Tower, Stack::Hyper, Stack::Tls] {
            let server = stack.serve(config()).await;
            let versions = [Handshake::hybi("99"), hybi().without("Sec-WebSocket-Version")];
            all_on_one(server.connect().await, &versions, 426).await;
            let malformed = [hybi().without("Sec-WebSocket-Key"), hybi().set("Sec-WebSocket-Key", "short")];
            all_on_one(server.connect().await, &malformed, 400).await;
            let busy = stack.serve(config().budget(&Budget::new(0))).await;
            all_on_one(busy.connect().await, &[hybi(), Handshake::of(Version::Hybi7)], 503).await;
        }
    });
}

#[test]
fn http_1_connection_continues_after_403_and_a_shutdown() {
    run(async || {
        let guard = OriginGuard::new();
        let shutdown = Shutdown::new();
        shutdown.begin(CloseCode::GOING_AWAY, "").unwrap();
        let foreign = [hybi().set("Origin", "http://evil.example")];
        let router = |guard: OriginGuard, shutdown: Option<Shutdown>| {
            ::axum::Router::new().fallback(async move |ws: WebSocketUpgrade| {
                let mut ws = match ws.check_origin(&guard) {
                    Ok(ws) => ws,
                    Err(rejection) => return ::axum::response::IntoResponse::into_response(rejection),
                };
                if let Some(shutdown) = &shutdown {
                    ws = ws.shutdown(shutdown);
                }
                ws.on_upgrade(async |_| {})
            })
        };
        all_on_one(axum(router(guard.clone(), None)).await.connect().await, &foreign, 403).await;
        let none = OriginGuard::new();
        all_on_one(axum(router(none, Some(shutdown.clone()))).await.connect().await, &[hybi()], 503).await;
        let layer = WebSocketLayer::new(|_: WebSocket, _| async {}.boxed()).shutdown(&shutdown);
        let inner = ::tower::service_fn(async |_| {
            let mut response = http::Response::new(http_body_util::Full::<bytes::Bytes>::from(INNER));
            *response.status_mut() = StatusCode::NOT_FOUND;
            Ok::<_, std::convert::Infallible>(response)
        });
        let port = serve(::tower::ServiceBuilder::new().layer(layer).service(inner), How::Auto).await;
        all_on_one(port.connect().await, &[hybi()], 503).await;
    });
}

#[test]
fn http_2_connection_continues_after_every_refusal() {
    run(async || {
        let names = |headers: &HeaderMap| headers.keys().map(|name| name.as_str().to_string()).collect::<Vec<_>>();
        for stack in Stack::HTTP2 {
            let server = stack.serve(config()).await;
            let mut connection = Connection::to(&server).await;
            let mut open = connection.open(websocket(), None).await;
            for (request, status) in [
                (connect(Some("websocket"), Some("99")), 426),
                (connect(Some("websocket"), None), 426),
                (connect(Some("websocket"), Some("99")), 426),
            ] {
                let refusal = connection.refused(request).await;
                assert_eq!(refusal.status, status);
                no_banner(names(&refusal.headers).iter().map(String::as_str), &refusal.body);
                // RFC 9113 §8.2.2.
                assert!(!refusal.headers.contains_key("connection") && !refusal.headers.contains_key("upgrade"));
            }
            open.echo(&["still here"]).await;
            connection.open(websocket(), None).await.echo(&["and another"]).await;
        }
    });
}

/// The 8 bytes of draft 76 follow its head undeclared, so a server that refuses it is not aware of
/// them. They must not become the start of the next request, for example one with another method.
#[test]
fn hixie_76_refusal_on_bare_tcp_does_not_parse_its_8_bytes_as_a_request() {
    run(async || {
        for (config, status) in [(Config::server(), 426), (config().budget(&Budget::new(0)), 503)] {
            let server = Stack::Tcp.serve(config).await;
            for body in [*b"AAAAAAAA", *b"^n:ds[4U", *b"\r\n\r\n\r\n\r\n"] {
                let mut wire = server.connect().await;
                let mut handshake = Handshake::of(Version::Hixie76);
                handshake.body = body.to_vec();
                wire.write([&handshake.bytes()[..], b"GET /next HTTP/1.1\r\nHost: example.com\r\n\r\n"].concat()).await;
                let (answer, _) = wire.response().await;
                assert_eq!(answer.status, status);
                assert!(answer.all("connection").contains(&"close"), "{answer:?}");
                wire.eof().await;
            }
        }
    });
}

#[test]
fn refusals_of_other_versions_do_not_end_the_connection() {
    run(async || {
        let server = Stack::Hyper.serve(Config::server()).await;
        let others: Vec<_> = VERSIONS
            .into_iter()
            .filter(|version| version.is_draft() && *version != Version::Hixie76)
            .map(Handshake::of)
            .collect();
        all_on_one(server.connect().await, &others, 426).await;
    });
}
