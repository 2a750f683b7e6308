//! Upgrades without a port: through `oneshot`, and through hyper over an in-memory transport.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::any;
use axum_websocket::WebSocketUpgrade;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{Empty, Full};
use tower::{Layer, ServiceExt, service_fn};
use tower_websocket::test::{self, Handshake};
use tower_websocket::{Config, ServerConfig, WebSocket, WebSocketLayer, connect, upgrade};
use websocket_tests::wire::VERSIONS;

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        socket.send(message).await.expect("a client that stays");
    }
}

async fn chat(ws: WebSocketUpgrade, Path(room): Path<String>) -> Response {
    ws.config(config()).on_upgrade(async move |mut socket: WebSocket| {
        socket.send(format!("this is {room}")).await.expect("a client that stays");
        echo(socket).await;
    })
}

fn config() -> ServerConfig {
    Config::server().allow_drafts(true).protocols(["chat"])
}

fn router() -> Router {
    Router::new().route("/rooms/{room}", any(chat))
}

fn layered() -> Router {
    let layer = WebSocketLayer::new(|mut socket: WebSocket, request: Request<()>| async move {
        socket.send(format!("this is {}", request.uri())).await.expect("a client that stays");
        echo(socket).await;
    });
    Router::new().layer(layer.config(config()))
}

#[tokio::test]
async fn axum_router_with_the_extractor_is_upgraded_through_oneshot() {
    for version in VERSIONS {
        let handshake = Handshake::new("/rooms/7").version(version).protocols("chat");
        let (request, client) = test::request::<Body>(handshake).await;
        let response = router().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        let mut peer = client.upgraded(response).await;
        peer.expect_text("this is 7").await;
        peer.send_text("hello");
        peer.expect_text("hello").await;
        peer.close(1000, "done").await;
    }
}

#[tokio::test]
async fn layer_is_upgraded_through_oneshot_with_any_body() {
    let layer = || WebSocketLayer::new(|socket: WebSocket, _: Request<()>| echo(socket)).config(config());
    for version in VERSIONS {
        let inner = service_fn(async |_: Request<Full<Bytes>>| Ok::<_, Infallible>(Response::new(String::new())));
        let (request, client) = test::request(Handshake::new("/").version(version)).await;
        let mut peer = client.upgraded(layer().layer(inner).oneshot(request).await.unwrap()).await;
        peer.send_text("hello");
        peer.expect_text("hello").await;

        let inner = service_fn(async |_: Request<Empty<Bytes>>| Ok::<_, Infallible>(Response::new(String::new())));
        let (request, client) = test::request(Handshake::new("/").version(version)).await;
        let mut peer = client.upgraded(layer().layer(inner).oneshot(request).await.unwrap()).await;
        peer.send_text("hello");
        peer.expect_text("hello").await;
    }
}

#[tokio::test]
async fn manual_upgrade_runs_concurrently_with_its_client() {
    for version in VERSIONS {
        let (mut request, client) = test::request::<()>(Handshake::new("/").version(version)).await;
        let (response, upgrade) = upgrade(&mut request, &config()).unwrap();
        let response = response.map(|()| Empty::<Bytes>::new());
        let (socket, mut peer) = tokio::join!(upgrade.into_future(), client.upgraded(response));
        socket.unwrap().send("hello").await.unwrap();
        peer.expect_text("hello").await;
        peer.expect_eof().await;
    }
}

#[tokio::test]
async fn request_can_be_changed_before_it_is_passed_on() {
    let app = Router::new().fallback(async |ws: WebSocketUpgrade, request: axum::extract::Request| {
        let user = request.headers()["x-user"].to_str().unwrap().to_owned();
        ws.on_upgrade(async move |mut socket: WebSocket| socket.send(user).await.unwrap())
    });
    let (mut request, client) = test::request::<Body>("/").await;
    request.headers_mut().insert("x-user", "seven".parse().unwrap());
    let mut peer = client.upgraded(app.oneshot(request).await.unwrap()).await;
    peer.expect_text("seven").await;
}

#[tokio::test]
async fn refusal_can_be_inspected() {
    let (request, _client) = test::request::<Body>(Handshake::new("/").header("Sec-WebSocket-Version", "12")).await;
    let response = Router::new().fallback(chat).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::UPGRADE_REQUIRED);
}

#[tokio::test]
#[should_panic = "the handshake was refused with 404 Not Found"]
async fn refused_upgrade_fails() {
    let (request, client) = test::request::<Body>("/elsewhere").await;
    client.upgraded(router().oneshot(request).await.unwrap()).await;
}

#[tokio::test]
async fn dropped_client_ends_the_connection() {
    let (mut request, client) = test::request::<()>("/").await;
    let (_response, upgrade) = upgrade(&mut request, &config()).unwrap();
    drop(client);
    assert!(upgrade.await.is_err());
}

#[tokio::test]
async fn services_are_opened_through_hyper_without_a_port() {
    for version in VERSIONS {
        for (app, greeting) in [(router(), "this is 7"), (layered(), "this is /rooms/7")] {
            let handshake = Handshake::new("/rooms/7").version(version).protocols("chat");
            let mut peer = test::open(app, handshake).await;
            peer.expect_text(greeting).await;
            peer.send_text("hello");
            peer.expect_text("hello").await;
            peer.close(1000, "done").await;
        }
    }
}

#[tokio::test]
#[should_panic = "HTTP/1.1 404 Not Found"]
async fn refused_open_shows_the_response() {
    test::open(router(), "/elsewhere").await;
}

#[tokio::test]
async fn served_service_works_with_the_client_of_this_project() {
    let io = test::serve(router());
    let (mut socket, response) = connect("ws://example.com/rooms/8").protocols(["chat"]).over(io).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("this is 8"));
}

#[tokio::test(start_paused = true)]
async fn handler_timer_fires_at_once_on_a_paused_clock() {
    let app = Router::new().fallback(async |ws: WebSocketUpgrade| {
        ws.on_upgrade(async |mut socket: WebSocket| {
            for hour in 1..=3 {
                tokio::time::sleep(Duration::from_secs(3600)).await;
                socket.send(format!("{hour} o'clock")).await.unwrap();
            }
        })
    });
    let (begun, clock) = (std::time::Instant::now(), tokio::time::Instant::now());
    let mut peer = test::open(app, "/").await;
    peer.expect_nothing(Duration::from_secs(3599)).await;
    for text in ["1 o'clock", "2 o'clock", "3 o'clock"] {
        peer.expect_text(text).await;
    }
    peer.expect_eof().await;
    assert_eq!(clock.elapsed().as_secs(), 3 * 3600);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
