//! The axum extractor's rejections: one type per reason.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::IntoResponse;
use axum_websocket::rejection::*;
use axum_websocket::{Budget, Config, ServerConfig, WebSocketUpgrade};
use http::{Method, Request};
use http_body_util::BodyExt;
use hyper::ext::Protocol;
use tower_websocket::server::UpgradeRefusal;
use websocket_driver::Version;
use websocket_tests::wire::{Handshake, VERSIONS};

use crate::run::run;

async fn rejection(request: Request<()>) -> WebSocketUpgradeRejection {
    let (mut parts, ()) = request.into_parts();
    let result = <WebSocketUpgrade as FromRequestParts<()>>::from_request_parts(&mut parts, &()).await;
    result.expect_err("a rejection")
}

/// Asserts that the rejection has this type, and the response this status and a line that contains
/// this text.
macro_rules! rejects {
    ($request:expr, $kind:ident, $status:literal, $reason:literal) => {{
        let rejection = rejection($request).await;
        assert!(matches!(rejection, WebSocketUpgradeRejection::$kind($kind { .. })), "{rejection:?}");
        assert_eq!(rejection.status(), $status);
        assert!(rejection.to_string().contains($reason), "{rejection}");
        let text = format!("{rejection}\n");
        let response = rejection.clone().into_response();
        assert_eq!(response.extensions().get(), Some(&rejection));
        let refusal = response.extensions().get::<UpgradeRefusal>().expect("the refusal, for layers that know no axum");
        assert_eq!(WebSocketUpgradeRejection::from(refusal.clone()), rejection);
        assert_eq!(response.status(), $status);
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        assert_eq!(response.headers().contains_key("sec-websocket-version"), $status == 426);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), text);
    }};
}

fn hybi() -> Handshake {
    Handshake::of(Version::Hybi13)
}

fn on_http2(method: Method, protocol: Option<&'static str>) -> Request<()> {
    let mut request = hybi().without("Connection").without("Upgrade").without("Sec-WebSocket-Key").request();
    *request.version_mut() = http::Version::HTTP_2;
    *request.method_mut() = method;
    if let Some(protocol) = protocol {
        request.extensions_mut().insert(Protocol::from_static(protocol));
    }
    request
}

#[test]
fn every_reason_has_a_separate_rejection() {
    run(async || {
        let mut post = hybi();
        post.method = "POST".into();
        rejects!(post.request(), MethodNotGet, 405, "GET");
        rejects!(on_http2(Method::GET, Some("websocket")), MethodNotGet, 405, "CONNECT");

        let mut old = hybi();
        old.http = "HTTP/1.0".into();
        rejects!(old.request(), HttpVersionNotSupported, 400, "HTTP/1.0");

        rejects!(hybi().without("Connection").request(), InvalidConnectionHeader, 400, "Connection");
        rejects!(hybi().set("Connection", "close").request(), InvalidConnectionHeader, 400, "upgrade");
        rejects!(hybi().without("Upgrade").request(), InvalidUpgradeHeader, 400, "Upgrade");
        rejects!(hybi().set("Upgrade", "h2c").request(), InvalidUpgradeHeader, 400, "websocket");
        rejects!(on_http2(Method::CONNECT, None), InvalidProtocolPseudoheader, 400, "websocket");
        rejects!(on_http2(Method::CONNECT, Some("connect-udp")), InvalidProtocolPseudoheader, 400, "websocket");

        rejects!(hybi().without("Host").request(), InvalidHostHeader, 400, "Host");
        rejects!(hybi().set("Host", "a b").request(), InvalidHostHeader, 400, "Host");
        rejects!(Handshake::hybi("12").request(), InvalidWebSocketVersionHeader, 426, "13");
        rejects!(hybi().without("Sec-WebSocket-Version").request(), InvalidWebSocketVersionHeader, 426, "version");

        rejects!(hybi().without("Sec-WebSocket-Key").request(), WebSocketKeyHeaderMissing, 400, "Sec-WebSocket-Key");
        rejects!(hybi().set("Sec-WebSocket-Key", "short").request(), InvalidWebSocketKeyHeader, 400, "16 bytes");
        let hixie = Handshake::of(Version::Hixie76).without("Sec-WebSocket-Key2").request();
        rejects!(hixie, InvalidWebSocketKeyHeader, 400, "Sec-WebSocket-Key2");

        let protocol = hybi().with("Sec-WebSocket-Protocol", "two words").request();
        rejects!(protocol, InvalidWebSocketProtocolHeader, 400, "Sec-WebSocket-Protocol");
        let extensions = hybi().with("Sec-WebSocket-Extensions", "x; =y").request();
        rejects!(extensions, InvalidWebSocketExtensionsHeader, 400, "Sec-WebSocket-Extensions");
        rejects!(hybi().with("Content-Length", "1").request(), BodyNotSupported, 400, "body");
        rejects!(hybi().with("Transfer-Encoding", "chunked").request(), BodyNotSupported, 400, "body");
        for version in VERSIONS {
            rejects!(Handshake::of(version).request(), ConnectionNotUpgradable, 500, "OnUpgrade");
        }
        rejects!(on_http2(Method::CONNECT, Some("websocket")), ConnectionNotUpgradable, 500, "OnUpgrade");
    });
}

/// The limits are those of the configuration set by the handler, so the extractor does not know
/// them.
#[test]
fn limits_of_config_are_checked_when_the_handshake_is_answered() {
    run(async || {
        let answer = async |handshake: Handshake, config: ServerConfig| {
            let (request, _peer) = axum_websocket::test::request::<()>("/").await;
            let (mut parts, ()) = request.into_parts();
            parts.headers.extend(handshake.request().into_parts().0.headers);
            let ws = <WebSocketUpgrade as FromRequestParts<()>>::from_request_parts(&mut parts, &()).await;
            let response = ws.expect("a handshake").config(config).on_upgrade(async |_| {});
            let status = response.status().as_u16();
            (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
        };
        let long = || hybi().with("X-Filler", "x".repeat(16 * 1024));
        let (status, text) = answer(long(), Config::server()).await;
        assert!(status == 400 && text.contains("16384 bytes"), "{text}");
        assert_eq!(answer(long(), Config::server().max_head_size(20_000)).await.0, 101);
        let many = (0..100).fold(hybi(), |all, _| all.with("X-Filler", ""));
        let (status, text) = answer(many, Config::server()).await;
        assert!(status == 400 && text.contains("100 header fields"), "{text}");
        assert_eq!(answer(hybi(), Config::server().budget(&Budget::new(0))).await.0, 503);
    });
}

#[test]
fn rejection_426_has_an_upgrade_header_only_on_http_1() {
    run(async || {
        let answer = rejection(Handshake::hybi("12").request()).await.into_response();
        assert_eq!((&answer.headers()["upgrade"], answer.status().as_u16()), (&"websocket".parse().unwrap(), 426));
        let mut request = on_http2(Method::CONNECT, Some("websocket"));
        request.headers_mut().insert("sec-websocket-version", "12".parse().unwrap());
        let answer = rejection(request).await.into_response();
        assert_eq!(answer.status(), 426);
        // RFC 9113 §8.2.2.
        assert!(!answer.headers().contains_key("upgrade") && !answer.headers().contains_key("connection"));
    });
}

/// RFC 9110 §15.5.6, RFC 8441 §4.
#[test]
fn wrong_method_is_answered_with_the_allowed_one() {
    run(async || {
        let post = Handshake { method: "POST".into(), ..hybi() };
        for (request, allowed) in [(post.request(), "GET"), (on_http2(Method::GET, Some("websocket")), "CONNECT")] {
            let answer = rejection(request).await.into_response();
            assert_eq!((answer.status().as_u16(), &answer.headers()["allow"]), (405, &allowed.parse().unwrap()));
        }
    });
}

/// RFC 9113 §8.3.1.
#[test]
fn host_that_differs_from_the_authority_is_rejected_on_http_2() {
    let asked = |uri: &str, host: &str| {
        let mut request = on_http2(Method::CONNECT, Some("websocket"));
        *request.uri_mut() = uri.parse().unwrap();
        request.headers_mut().insert("host", host.parse().unwrap());
        request
    };
    run(async move || {
        for (uri, host) in [
            ("https://example.com/chat", "example.org"),
            ("https://example.com/chat", "example.com:80"),
            ("http://example.com/chat", "example.com:443"),
            ("https://example.com:8443/chat", "example.com"),
            ("https://user@example.com/chat", "user@example.com"),
            ("https://example.com/chat", "exa mple.com"),
            ("https://example.com/chat", ""),
        ] {
            rejects!(asked(uri, host), InvalidHostHeader, 400, "Host");
        }
        let mut twice = asked("https://example.com/chat", "example.com");
        twice.headers_mut().append("host", "example.com".parse().unwrap());
        rejects!(twice, InvalidHostHeader, 400, "Host");
        for (uri, host) in [
            ("https://example.com/chat", "EXAMPLE.com"),
            ("https://example.com/chat", "example.com:443"),
            ("http://example.com:80/chat", "example.com"),
            ("https://[::1]:8443/chat", "[::1]:8443"),
            ("/chat", "example.com"),
        ] {
            rejects!(asked(uri, host), ConnectionNotUpgradable, 500, "OnUpgrade");
        }
    });
}

#[test]
fn optional_extractor_rejects_only_handshakes() {
    async fn optional(request: Request<()>) -> Result<bool, WebSocketUpgradeRejection> {
        let (mut parts, ()) = request.into_parts();
        let result = <WebSocketUpgrade as OptionalFromRequestParts<()>>::from_request_parts(&mut parts, &()).await;
        result.map(|ws| ws.is_some())
    }
    run(async || {
        assert_eq!(optional(Handshake::get("/").request()).await, Ok(false));
        assert_eq!(optional(on_http2(Method::CONNECT, None)).await, Ok(false));
        assert_eq!(optional(on_http2(Method::GET, None)).await, Ok(false));
        for version in VERSIONS {
            let old = Handshake { http: "HTTP/1.0".into(), ..Handshake::of(version) };
            assert_eq!(optional(old.request()).await, Ok(false));
        }
        let rejection = optional(hybi().without("Sec-WebSocket-Key").request()).await.unwrap_err();
        assert!(matches!(rejection, WebSocketUpgradeRejection::WebSocketKeyHeaderMissing(_)));
        let rejection = optional(on_http2(Method::CONNECT, Some("websocket"))).await.unwrap_err();
        assert!(matches!(rejection, WebSocketUpgradeRejection::ConnectionNotUpgradable(_)));
    });
}
