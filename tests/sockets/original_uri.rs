//! Handshakes whose URI was rewritten by a router or middleware: hixie clients compare the location
//! with the requested URL, and observers receive the path.

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::any;
use axum_websocket::{Config, ServerConfig, WebSocketUpgrade};
use futures_util::FutureExt;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_websocket::server::OriginalUriLayer;
use tower_websocket::test::Recorder;
use tower_websocket::{Version, WebSocket, WebSocketLayer};
use websocket_tests::wire::VERSIONS;

use crate::client::Opening;
use crate::run::run;
use crate::serve::{How, Port, serve};
use crate::stacks::axum;

const TARGET: &str = "/api/v1/chat?room=1";

fn observed_by(recorder: &Recorder) -> ServerConfig {
    Config::server().allow_drafts(true).observer(recorder.clone())
}

/// Asserts that the observer receives the target requested by the client, whatever the version.
async fn confirm(recorder: &Recorder, port: Port, target: &str) {
    for version in VERSIONS {
        println!("{version}");
        let opening = Opening::of(version).target(target);
        let mut client = opening.on(port.connect().await).await;
        client.echo(&["hello"]).await;
        client.close().await;
    }
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let paths: Vec<_> = recorder.recorded().opened.into_iter().map(|opening| opening.path).collect();
    assert_eq!(paths, [path; 5]);
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let _ = socket.send(message).await;
    }
}

fn extractor(recorder: &Recorder) -> Router {
    let config = observed_by(recorder);
    let handler = async move |ws: WebSocketUpgrade| -> Response { ws.config(config).on_upgrade(echo) };
    Router::new().route("/{*rest}", any(handler))
}

#[test]
fn extractor_in_nested_router_uses_the_original_uri() {
    run(async || {
        let recorder = Recorder::new();
        let nested = Router::new().nest("/api", Router::new().nest("/v1", extractor(&recorder)));
        confirm(&recorder, axum(nested).await, TARGET).await;
        let recorder = Recorder::new();
        let nested = Router::new().nest_service("/api", extractor(&recorder));
        confirm(&recorder, axum(nested).await, TARGET).await;
    });
}

#[test]
fn layer_in_nested_router_uses_the_stored_original_uri() {
    run(async || {
        let recorder = Recorder::new();
        let layer = WebSocketLayer::new(|socket, request: http::Request<()>| {
            assert_eq!(request.uri(), TARGET);
            echo(socket)
        });
        let inner = Router::new().route("/v1/chat", any(async || "plain")).layer(layer.config(observed_by(&recorder)));
        confirm(&recorder, axum(Router::new().nest("/api", inner).layer(OriginalUriLayer::new())).await, TARGET).await;
    });
}

/// Like `NormalizePath` of tower-http.
#[test]
fn original_uri_is_stored_before_a_middleware_rewrites_it() {
    fn rewritten(mut request: Request<hyper::body::Incoming>) -> Request<hyper::body::Incoming> {
        *request.uri_mut() = "/rewritten".parse().unwrap();
        request
    }
    run(async || {
        for how in [How::Auto, How::Http1] {
            let recorder = Recorder::new();
            let layer = WebSocketLayer::new(|socket, request: http::Request<()>| {
                assert_eq!(request.uri(), TARGET);
                echo(socket)
            });
            let service = ServiceBuilder::new()
                .layer(OriginalUriLayer::new())
                .map_request(rewritten)
                .layer(layer.config(observed_by(&recorder)))
                .service(service_fn(|_| async {
                    Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
                }));
            confirm(&recorder, serve(service, how).await, TARGET).await;

            let recorder = Recorder::new();
            let router = extractor(&recorder);
            let service = OriginalUriLayer::new().layer(service_fn(move |request: Request<_>| {
                let request = rewritten(request).map(axum::body::Body::new);
                router.clone().oneshot(request).boxed()
            }));
            confirm(&recorder, serve(service, how).await, TARGET).await;
        }
    });
}

/// RFC 9112 §3.2.2: the host is that of the target, whatever `Host` is.
#[test]
fn absolute_target_is_the_location() {
    run(async || {
        for version in [Version::Hixie75, Version::Hixie76] {
            let mut opening = Opening::of(version).target("http://example.com/demo");
            opening.handshake = opening.handshake.set("Host", "proxy.example:3128");
            let mut wire = axum(extractor(&Recorder::new())).await.connect().await;
            wire.write(opening.handshake.bytes()).await;
            opening.target("/demo").confirmed(wire).await.close().await;
        }
    });
}
