//! The axum extractor: its accessors and options.

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum_websocket::rejection::WebSocketUpgradeRejection;
use axum_websocket::{Config, Version, WebSocket, WebSocketUpgrade};
use http::{HeaderValue, Method, Uri};
use hyper::upgrade::OnUpgrade;
use websocket_tests::wire::{Answer, Frame, Handshake, VERSIONS};

use crate::client::{Client, Opening};
use crate::run::run;
use crate::stacks::axum;
use crate::wire::Wire;

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        socket.send(message).await.expect("a client that stays");
    }
}

/// A server with one handler for all paths and methods.
macro_rules! served {
    ($handler:expr) => {
        axum(Router::new().fallback($handler)).await.connect().await
    };
}

async fn response(mut wire: Wire, handshake: &Handshake) -> (Answer, String) {
    wire.write(handshake.bytes()).await;
    wire.response().await
}

async fn open(wire: Wire, opening: Opening) -> Client {
    let mut client = opening.on(wire).await;
    client.echo(&["hello"]).await;
    client
}

fn value(text: &'static str) -> HeaderValue {
    HeaderValue::from_static(text)
}

#[test]
fn extractor_works_at_any_position_and_before_a_body() {
    async fn alone(ws: WebSocketUpgrade) -> Response {
        ws.on_upgrade(echo)
    }
    async fn first(ws: WebSocketUpgrade, uri: Uri, method: Method, body: String) -> Response {
        assert_eq!((uri.path(), method, body), ("/chat", Method::GET, String::new()));
        ws.on_upgrade(echo)
    }
    async fn between(method: Method, ws: WebSocketUpgrade, request: Request) -> Response {
        assert_eq!((request.uri().path(), method), ("/chat", Method::GET));
        ws.on_upgrade(echo)
    }
    async fn last(uri: Uri, ws: WebSocketUpgrade) -> Response {
        assert_eq!(uri.path(), "/chat");
        ws.on_upgrade(echo)
    }
    run(async || {
        for wire in [served!(alone), served!(first), served!(between), served!(last)] {
            open(wire, Opening::of(Version::Hybi13)).await.close().await;
        }
    });
}

#[test]
fn hixie_76_handshake_is_accepted_before_a_body_extractor() {
    async fn handler(ws: WebSocketUpgrade, body: Bytes) -> Response {
        assert!(body.is_empty());
        ws.config(Config::server().allow_drafts(true)).on_upgrade(echo)
    }
    run(async || open(served!(handler), Opening::of(Version::Hixie76)).await.close().await);
}

#[test]
fn extractor_works_on_routes_of_get_and_of_any_method() {
    async fn handler(ws: WebSocketUpgrade) -> Response {
        ws.on_upgrade(echo)
    }
    run(async || {
        let router = Router::new().route("/get", get(handler)).route("/any", any(handler));
        let port = axum(router.route("/post", post(handler))).await;
        for target in ["/get", "/any"] {
            open(port.connect().await, Opening::of(Version::Hybi13).target(target)).await.close().await;
        }
        let handshake = Opening::of(Version::Hybi13).target("/post").handshake;
        assert_eq!(response(port.connect().await, &handshake).await.0.status, 405);
    });
}

#[test]
fn optional_extractor_is_none_only_for_plain_http() {
    async fn handler(ws: Option<WebSocketUpgrade>, body: String) -> Response {
        match ws {
            Some(ws) => ws.config(Config::server().allow_drafts(true)).on_upgrade(echo),
            None => format!("no WebSocket, but {body:?}").into_response(),
        }
    }
    run(async || {
        let port = axum(Router::new().fallback(handler)).await;
        for version in VERSIONS {
            open(port.connect().await, Opening::of(version)).await.close().await;
        }
        let mut post = Handshake::get("/").with("Content-Length", "4");
        (post.method, post.body) = ("POST".into(), b"body".into());
        for (request, body) in [
            (Handshake::get("/"), r#"no WebSocket, but """#),
            (post, r#"no WebSocket, but "body""#),
            (Handshake::of(Version::Hybi13).without("Connection"), r#"no WebSocket, but """#),
        ] {
            assert_eq!(response(port.connect().await, &request).await.1, body);
        }
        // An invalid handshake is not plain HTTP.
        for (request, status) in
            [(Handshake::hybi("12"), 426), (Handshake::hybi("13").without("Sec-WebSocket-Key"), 400)]
        {
            assert_eq!(response(port.connect().await, &request).await.0.status, status);
        }
    });
}

#[test]
fn optional_extractor_that_is_none_keeps_the_upgrade_for_others() {
    async fn handler(ws: Option<WebSocketUpgrade>, request: Request) -> String {
        format!("{} {}", ws.is_some(), request.extensions().get::<OnUpgrade>().is_some())
    }
    run(async || {
        let request = Handshake::get("/").with("Connection", "Upgrade").with("Upgrade", "h2c");
        assert_eq!(response(served!(handler), &request).await.1, "false true");
    });
}

#[test]
fn result_lets_the_handler_answer_a_rejection() {
    async fn handler(ws: Result<WebSocketUpgrade, WebSocketUpgradeRejection>) -> Response {
        match ws {
            Ok(ws) => ws.on_upgrade(echo),
            Err(rejection) => format!("my own words: {rejection}").into_response(),
        }
    }
    run(async || {
        let (answer, body) = response(served!(handler), &Handshake::get("/")).await;
        assert_eq!(answer.status, 200);
        assert!(body.starts_with("my own words: ") && body.contains("Connection"), "{body}");
        open(served!(handler), Opening::of(Version::Hybi13)).await.close().await;
    });
}

#[test]
fn drafts_are_refused_until_they_are_allowed() {
    async fn handler(ws: WebSocketUpgrade) -> Response {
        ws.on_upgrade(echo)
    }
    run(async || {
        for version in VERSIONS.into_iter().filter(|version| version.is_draft()) {
            let (answer, _) = response(served!(handler), &Handshake::of(version)).await;
            assert_eq!((answer.status, answer.all("Sec-WebSocket-Version")), (426, vec!["13"]), "{version}");
        }
    });
}

#[test]
fn limits_of_the_configuration_hold() {
    async fn handler(ws: WebSocketUpgrade) -> Response {
        ws.config(Config::server().max_message_size(10)).on_upgrade(async |mut socket: WebSocket| {
            while let Some(Ok(message)) = socket.recv().await {
                socket.send(message).await.expect("a client that stays");
            }
        })
    }
    run(async || {
        let mut client = open(served!(handler), Opening::of(Version::Hybi13)).await;
        client.wire.write(Frame::text("eleven bytes").bytes()).await;
        assert_eq!(client.wire.frame().await.close_code(), Some(1009));
        client.wire.eof().await;
    });
}

#[test]
fn requested_protocols_are_returned_in_the_order_of_the_client() {
    async fn handler(ws: WebSocketUpgrade) -> String {
        let requested: Vec<_> = ws.requested_protocols().map(|name| name.to_str().unwrap()).collect();
        assert_eq!(ws.selected_protocol(), None);
        requested.join("|")
    }
    run(async || {
        let hybi = || Handshake::of(Version::Hybi13);
        for (request, expected) in [
            (hybi(), ""),
            (hybi().with("Sec-WebSocket-Protocol", "a, b ,c"), "a|b|c"),
            (hybi().with("Sec-WebSocket-Protocol", "b").with("Sec-WebSocket-Protocol", "a,,c"), "b|a|c"),
            (Handshake::of(Version::Hixie76).with("Sec-WebSocket-Protocol", "sample"), "sample"),
            (Handshake::of(Version::Hixie75).with("WebSocket-Protocol", "sample"), "sample"),
        ] {
            assert_eq!(response(served!(handler), &request).await.1, expected);
        }
    });
}

#[test]
fn first_protocol_of_the_server_that_is_offered_is_selected() {
    async fn handler(ws: WebSocketUpgrade) -> Response {
        let ws = ws.config(Config::server().allow_drafts(true)).protocols(["first", "second", "third"]);
        assert_eq!(ws.selected_protocol(), Some(&value("second")));
        ws.on_upgrade(async |socket: WebSocket| {
            assert_eq!(socket.protocol(), Some("second"));
            echo(socket).await;
        })
    }
    run(async || {
        for version in VERSIONS {
            let offered = if version.is_hixie() { "second" } else { "third, fourth, second" };
            open(served!(handler), Opening::of(version).protocol(offered, Some("second"))).await.close().await;
        }
    });
}

#[test]
fn protocol_is_not_selected_if_none_is_supported() {
    async fn handler(ws: WebSocketUpgrade) -> Response {
        let ws = ws.protocols(["spoken"]);
        assert_eq!(ws.selected_protocol(), None);
        ws.on_upgrade(async |socket: WebSocket| {
            assert_eq!(socket.protocol(), None);
            echo(socket).await;
        })
    }
    run(async || {
        for offered in ["other", "Spoken", "spoken.v2"] {
            open(served!(handler), Opening::of(Version::Hybi13).protocol(offered, None)).await.close().await;
        }
        open(served!(handler), Opening::of(Version::Hybi13)).await.close().await;
    });
}

#[test]
fn handler_can_select_a_protocol() {
    async fn handler(mut ws: WebSocketUpgrade) -> Response {
        let longest = ws.requested_protocols().max_by_key(|name| name.len()).cloned().expect("an offer");
        ws.set_selected_protocol(longest.clone());
        assert_eq!(ws.selected_protocol(), Some(&longest));
        ws.on_upgrade(async |socket: WebSocket| {
            assert_eq!(socket.protocol(), Some("longest"));
            echo(socket).await;
        })
    }
    run(async || {
        let opening = Opening::of(Version::Hybi13).protocol("a, longest, b", Some("longest"));
        open(served!(handler), opening).await.close().await;
    });
}

#[test]
fn protocol_that_was_not_offered_cannot_be_selected() {
    async fn handler(mut ws: WebSocketUpgrade) -> Response {
        ws.set_selected_protocol(value("mine"));
        assert_eq!(ws.selected_protocol(), None);
        ws.on_upgrade(echo)
    }
    run(async || {
        open(served!(handler), Opening::of(Version::Hybi13).protocol("theirs", None)).await.close().await;
    });
}

#[test]
fn selected_protocol_overrides_the_list_and_the_configuration() {
    async fn selected(ws: WebSocketUpgrade) -> Response {
        let mut ws = ws.protocols(["a", "b"]);
        ws.set_selected_protocol(value("b"));
        ws.on_upgrade(echo)
    }
    async fn selected_first(mut ws: WebSocketUpgrade) -> Response {
        ws.set_selected_protocol(value("b"));
        let ws = ws.protocols(["a"]).config(Config::server().protocols(["c"]));
        assert_eq!(ws.selected_protocol(), Some(&value("b")));
        ws.on_upgrade(echo)
    }
    async fn listed_first(ws: WebSocketUpgrade) -> Response {
        let ws = ws.protocols(["a"]).config(Config::server().protocols(["c"]).allow_drafts(true));
        ws.on_upgrade(echo)
    }
    async fn configured(ws: WebSocketUpgrade) -> Response {
        let ws = ws.config(Config::server().protocols(["c"]));
        assert_eq!(ws.selected_protocol(), Some(&value("c")));
        ws.on_upgrade(echo)
    }
    run(async || {
        let offering = |version, expected| Opening::of(version).protocol("a, b, c", Some(expected));
        open(served!(selected), offering(Version::Hybi13, "b")).await.close().await;
        open(served!(selected_first), offering(Version::Hybi13, "b")).await.close().await;
        open(served!(listed_first), offering(Version::Hybi7, "a")).await.close().await;
        open(served!(configured), offering(Version::Hybi13, "c")).await.close().await;
    });
}
