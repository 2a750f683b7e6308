//! The `upgrade` function, and failing upgrades.

use std::convert::Infallible;
use std::error::Error;
use std::io::ErrorKind;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::server::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::BufStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tower::{Layer, ServiceExt, service_fn};
use tower_websocket::server::{HandshakeError, UpgradeError, UpgradeRefusal};
use tower_websocket::{Config, Version, WebSocket, WebSocketLayer, is_handshake, upgrade};
use websocket_tests::chain::chain;
use websocket_tests::wire::{Handshake, VERSIONS};

use crate::client::Opening;
use crate::run::run;
use crate::serve::{How, each, serve};
use crate::stacks::config;

/// As in the documentation.
async fn handle(mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let text = match upgrade(&mut request, &config()) {
        Ok((response, upgrade)) => {
            tokio::spawn(async move {
                let version = upgrade.version();
                let mut socket = upgrade.await.expect("a client that stays");
                assert_eq!(socket.version(), version);
                while let Some(Ok(message)) = socket.recv().await {
                    socket.send(message).await.expect("a client that stays");
                }
            });
            return Ok(response.map(|()| Full::default()));
        }
        Err(refusal) => refusal.to_response(),
    };
    Ok(text.map(|text| Full::new(text.into())))
}

#[test]
fn handler_can_upgrade_manually() {
    run(async || {
        for how in [How::Auto, How::Http1] {
            let port = serve(service_fn(handle), how).await;
            for version in VERSIONS {
                let opening = Opening::of(version).protocol("chat", Some("chat"));
                let mut client = opening.on(port.connect().await).await;
                client.echo(&["hello", "there"]).await;
                client.close().await;
            }
        }
    });
}

#[test]
fn buffering_upgraded_transport_is_flushed() {
    run(async || {
        let port = each(false, |stream| async move {
            let service = TowerToHyperService::new(service_fn(handle));
            let io = TokioIo::new(BufStream::new(stream));
            drop(http1::Builder::new().serve_connection(io, service).with_upgrades().await);
        })
        .await;
        for version in VERSIONS {
            let mut client = Opening::of(version).on(port.connect().await).await;
            client.echo(&["hello", "there"]).await;
            client.close().await;
        }
    });
}

#[test]
fn manual_refusal_contains_the_reason() {
    run(async || {
        let port = serve(service_fn(handle), How::Auto).await;
        for (handshake, status, reason) in [
            (Handshake::get("/"), 400, "Connection"),
            (Handshake::hybi("12"), 426, "version"),
            (Handshake::of(Version::Hixie76).with("Content-Length", "8"), 400, "declared body"),
        ] {
            let mut wire = port.connect().await;
            wire.write(handshake.head()).await;
            let (answer, body) = wire.response().await;
            assert_eq!(answer.status, status);
            assert!(body.contains(reason), "{body}");
        }
    });
}

#[test]
fn dropped_upgrade_drops_the_connection() {
    run(async || {
        let service = service_fn(|mut request: Request<Incoming>| async move {
            let (response, upgrade) = upgrade(&mut request, &config()).expect("a handshake");
            drop(upgrade);
            Ok::<_, Infallible>(response.map(|()| Empty::<Bytes>::new()))
        });
        let opening = Opening::of(Version::Hybi13);
        let mut client = opening.on(serve(service, How::Http1).await.connect().await).await;
        client.wire.eof().await;
    });
}

/// Returns a layer whose handler must not run, and the errors of its upgrades.
fn failing() -> (WebSocketLayer<Handler>, UnboundedReceiver<UpgradeError>) {
    fn never(_: WebSocket, _: Request<()>) -> BoxFuture<'static, ()> {
        panic!("a socket");
    }
    let (sender, failed) = unbounded_channel();
    let layer = WebSocketLayer::new(never as Handler).config(config());
    (layer.on_failed_upgrade(move |error| drop(sender.send(error))), failed)
}

type Handler = fn(WebSocket, Request<()>) -> BoxFuture<'static, ()>;

async fn empty<B>(_: Request<B>) -> Result<Response<Empty<Bytes>>, Infallible> {
    Ok(Response::new(Empty::new()))
}

fn confirm_upgrades_were_forgotten(error: UpgradeError) {
    assert!(matches!(error, UpgradeError::Hyper(_)), "{error:?}");
    assert!(chain(&error).contains("low level API"), "{error}");
}

#[test]
fn layer_reports_a_server_without_upgrades() {
    run(async || {
        for version in VERSIONS {
            let (layer, mut failed) = failing();
            let port = serve(layer.layer(service_fn(empty)), How::WithoutUpgrades).await;
            let mut wire = port.connect().await;
            wire.write(Handshake::of(version).bytes()).await;
            confirm_upgrades_were_forgotten(failed.recv().await.expect("a call"));
        }
    });
}

#[test]
fn extractor_reports_a_server_without_upgrades() {
    run(async || {
        let (sender, mut failed) = unbounded_channel();
        let router = axum::Router::new().fallback(move |ws: axum_websocket::WebSocketUpgrade| async move {
            let ws = ws.on_failed_upgrade(move |error| drop(sender.send(error)));
            ws.on_upgrade(|_| async { panic!("a socket") })
        });
        let mut wire = serve(router, How::WithoutUpgrades).await.connect().await;
        wire.write(Handshake::of(Version::Hybi13).bytes()).await;
        confirm_upgrades_were_forgotten(failed.recv().await.expect("a call"));
    });
}

#[test]
fn layer_reports_a_client_that_leaves_during_the_handshake() {
    run(async || {
        for behind in [&b""[..], b"seven b"] {
            let (layer, mut failed) = failing();
            let mut wire = serve(layer.layer(service_fn(empty)), How::Http1).await.connect().await;
            wire.write([&Handshake::of(Version::Hixie76).head()[..], behind].concat()).await;
            wire.head().await;
            drop(wire);
            let error = failed.recv().await.expect("a call");
            assert!(matches!(&error, UpgradeError::Io(error) if error.kind() == ErrorKind::UnexpectedEof), "{error:?}");
        }
    });
}

#[test]
fn request_without_its_upgrade_is_answered_with_500() {
    run(async || {
        for version in VERSIONS {
            let mut request = Handshake::of(version).request();
            assert_eq!(upgrade(&mut request, &config()).unwrap_err(), UpgradeRefusal::NotUpgradable);
            let (layer, _) = failing();
            let response =
                layer.layer(service_fn(empty)).oneshot(request.map(|()| Empty::<Bytes>::new())).await.unwrap();
            assert_eq!(response.status(), 500);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(String::from_utf8_lossy(&body).contains("OnUpgrade"), "{body:?}");
        }
    });
}

#[test]
fn middleware_that_drops_the_extensions_is_detected() {
    run(async || {
        let (layer, _) = failing();
        let service = tower::ServiceBuilder::new()
            .map_request(|request: Request<Incoming>| {
                let (parts, body) = request.into_parts();
                let mut request = Request::new(body);
                *request.uri_mut() = parts.uri;
                *request.headers_mut() = parts.headers;
                request
            })
            .layer(layer)
            .service(service_fn(empty));
        let mut wire = serve(service, How::Http1).await.connect().await;
        wire.write(Handshake::of(Version::Hybi13).bytes()).await;
        let (answer, body) = wire.response().await;
        assert_eq!(answer.status, 500);
        assert!(body.contains("OnUpgrade") && body.lines().count() == 1, "{body}");
    });
}

#[test]
fn refused_request_keeps_its_upgrade_for_others() {
    run(async || {
        let service = service_fn(|mut request: Request<Incoming>| async move {
            upgrade(&mut request, &config()).expect_err("no handshake");
            let is_upgradable = request.extensions().get::<OnUpgrade>().is_some();
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(is_upgradable.to_string()))))
        });
        let mut wire = serve(service, How::Http1).await.connect().await;
        wire.write(Handshake::get("/").with("Connection", "Upgrade").with("Upgrade", "h2c").bytes()).await;
        assert_eq!(wire.response().await.1, "true");
    });
}

#[test]
fn handshake_is_detected_by_headers_on_http_1_and_protocol_on_http_2() {
    for version in VERSIONS {
        assert!(is_handshake(&Handshake::of(version).request()));
    }
    assert!(!is_handshake(&Handshake::get("/").request()));
    for (method, protocol, expected) in [
        (Method::CONNECT, Some("websocket"), true),
        (Method::CONNECT, Some("connect-udp"), false),
        (Method::CONNECT, None, false),
        (Method::GET, Some("websocket"), false),
    ] {
        let mut request = Handshake::hybi("13").request();
        *request.version_mut() = http::Version::HTTP_2;
        *request.method_mut() = method;
        if let Some(protocol) = protocol {
            request.extensions_mut().insert(Protocol::from_static(protocol));
        }
        assert_eq!(is_handshake(&request), expected, "{request:?}");
    }
}

#[test]
fn refusal_has_the_error_and_its_status() {
    let mut request = Handshake::hybi("13").without("Host").request();
    let refusal = upgrade(&mut request, &Config::server()).unwrap_err();
    assert!(matches!(&refusal, UpgradeRefusal::Handshake { error: HandshakeError::Host, is_http1: true }));
    assert_eq!((refusal.status().as_u16(), refusal.to_response().status().as_u16()), (400, 400));
    let reason = refusal.source().expect("the reason").to_string();
    assert_eq!(refusal.to_response().into_body(), format!("{reason}\n"));
}
