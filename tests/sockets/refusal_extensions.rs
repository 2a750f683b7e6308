//! Refusals in the extensions of responses, as seen by outer layers.

use std::convert::Infallible;
use std::future::{Ready, ready};

use axum::body::Body;
use axum_websocket::rejection::{OriginRejection, WebSocketUpgradeRejection};
use axum_websocket::{OriginGuard, WebSocketUpgrade};
use http::{Request, Response};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_websocket::origin::OriginRefusal;
use tower_websocket::server::{HandshakeError, UpgradeRefusal};
use tower_websocket::{CloseCode, Config, Shutdown, WebSocket, WebSocketLayer};
use websocket_driver::Version;
use websocket_tests::wire::Handshake;

use crate::run::run;

fn hybi() -> Handshake {
    Handshake::of(Version::Hybi13)
}

fn from_elsewhere() -> Request<Body> {
    hybi().set("Origin", "https://evil.com").request().map(|()| Body::empty())
}

fn inner(_: Request<Body>) -> Ready<Result<Response<Body>, Infallible>> {
    ready(Ok(Response::new(Body::empty())))
}

async fn nothing(_: WebSocket, _: Request<()>) {}

/// Returns the extension of this type in the response of a service.
async fn seen<T, S, B>(service: S, request: Request<Body>) -> Option<T>
where
    T: Clone + Send + Sync + 'static,
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    service.oneshot(request).await.expect("infallible").extensions().get().cloned()
}

#[test]
fn upgrade_refusal_is_in_response_of_layer() {
    run(async || {
        let shutdown = Shutdown::new();
        let layer = WebSocketLayer::new(nothing).config(Config::server()).shutdown(&shutdown);
        let service = layer.layer(service_fn(inner));
        let keyless = hybi().without("Sec-WebSocket-Key").request().map(|()| Body::empty());
        let expected = UpgradeRefusal::Handshake { error: HandshakeError::MissingKey, is_http1: true };
        assert_eq!(seen(service.clone(), keyless).await, Some(expected));
        let whole = || hybi().request().map(|()| Body::empty());
        assert_eq!(seen(service.clone(), whole()).await, Some(UpgradeRefusal::NotUpgradable));
        shutdown.begin(CloseCode::GOING_AWAY, "").unwrap();
        assert_eq!(seen(service.clone(), whole()).await, Some(UpgradeRefusal::ShuttingDown));
        assert_eq!(seen::<UpgradeRefusal, _, _>(service, Request::new(Body::empty())).await, None);
    });
}

#[test]
fn origin_refusal_is_in_response_of_layer() {
    run(async || {
        let service = OriginGuard::new().layer(service_fn(inner));
        assert_eq!(seen(service.clone(), from_elsewhere()).await, Some(OriginRefusal::CrossOrigin));
        assert_eq!(seen::<OriginRefusal, _, _>(service, Request::new(Body::empty())).await, None);
    });
}

#[test]
fn rejections_are_in_response_of_router() {
    run(async || {
        let handler = |request: Request<Body>| async move {
            use axum::extract::FromRequest;
            use axum::response::IntoResponse;

            match WebSocketUpgrade::from_request(request, &()).await.map(|ws| ws.check_origin(&OriginGuard::new())) {
                Ok(Ok(ws)) => ws.on_upgrade(|_| async {}),
                Ok(Err(rejection)) => rejection.into_response(),
                Err(rejection) => rejection.into_response(),
            }
        };
        let router = || axum::Router::new().route("/chat", axum::routing::any(handler));
        let rejection: Option<WebSocketUpgradeRejection> =
            seen(router(), Request::get("/chat").body(Body::empty()).unwrap()).await;
        assert!(matches!(rejection, Some(WebSocketUpgradeRejection::InvalidConnectionHeader(_))), "{rejection:?}");
        let rejection = OriginRejection::from(OriginRefusal::CrossOrigin);
        let refused = axum::response::IntoResponse::into_response(rejection.clone());
        assert_eq!(refused.extensions().get(), Some(&rejection));
        assert_eq!(refused.extensions().get(), Some(&OriginRefusal::CrossOrigin));
    });
}
