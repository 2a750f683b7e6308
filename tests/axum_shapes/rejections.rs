//! The extractor's rejections: axum's names, and the native responses.

use axum::extract::FromRequestParts;
use axum::response::IntoResponse;
use axum_websocket::ws::WebSocketUpgrade;
use axum_websocket::ws::rejection::*;
use http::{Method, Request, Version};
use http_body_util::BodyExt;
use hyper::ext::Protocol;
use websocket_driver::Version as Draft;
use websocket_tests::wire::Handshake;

use crate::run::run;

/// Asserts that the rejection has this type, and the response this status.
macro_rules! rejects {
    ($request:expr, $kind:ident, $status:literal) => {{
        let (mut parts, ()) = $request.into_parts();
        let result = <WebSocketUpgrade as FromRequestParts<()>>::from_request_parts(&mut parts, &()).await;
        let rejection = result.expect_err("a rejection");
        let WebSocketUpgradeRejection::$kind(inner) = &rejection else { panic!("{rejection:?}") };
        assert_eq!((rejection.status().as_u16(), inner.status().as_u16()), ($status, $status));
        assert_eq!((rejection.to_string(), rejection.body_text()), (inner.to_string(), inner.body_text()));
        assert_eq!(rejection.native(), inner.native());
        let text = format!("{}\n", rejection.body_text());
        for response in [inner.clone().into_response(), rejection.into_response()] {
            assert_eq!(response.status(), $status);
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), text);
        }
    }};
}

fn hybi() -> Handshake {
    Handshake::of(Draft::Hybi13)
}

fn on_http2(method: Method, protocol: &'static str) -> Request<()> {
    let mut request = hybi().without("Connection").without("Upgrade").without("Sec-WebSocket-Key").request();
    *request.version_mut() = Version::HTTP_2;
    *request.method_mut() = method;
    request.extensions_mut().insert(Protocol::from_static(protocol));
    request
}

#[test]
fn rejections_have_the_names_of_axum() {
    run(async || {
        let mut post = hybi();
        post.method = "POST".into();
        rejects!(post.request(), MethodNotGet, 405);
        rejects!(on_http2(Method::GET, "websocket"), MethodNotConnect, 405);
        rejects!(on_http2(Method::CONNECT, "other"), InvalidProtocolPseudoheader, 400);
        rejects!(hybi().without("Connection").request(), InvalidConnectionHeader, 400);
        rejects!(hybi().without("Upgrade").request(), InvalidUpgradeHeader, 400);
        rejects!(Handshake::hybi("12").request(), InvalidWebSocketVersionHeader, 426);
        rejects!(hybi().without("Sec-WebSocket-Key").request(), WebSocketKeyHeaderMissing, 400);
        rejects!(hybi().request(), ConnectionNotUpgradable, 500);
        let mut old = hybi().request();
        *old.version_mut() = Version::HTTP_10;
        rejects!(old, ConnectionNotUpgradable, 400);
        rejects!(hybi().set("Sec-WebSocket-Key", "short").request(), OtherRejection, 400);
        rejects!(hybi().set("Host", "a b").request(), OtherRejection, 400);
    });
}
