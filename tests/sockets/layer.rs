//! The layer as seen by Tower and hyper: requests that are not handshakes pass through unchanged.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Collected, Empty, Full, StreamBody};
use hyper::upgrade::OnUpgrade;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_websocket::{Version, WebSocket, WebSocketLayer};
use websocket_tests::wire::{Answer, Handshake};

use crate::client::Opening;
use crate::run::run;
use crate::serve::{How, serve};
use crate::wire::Wire;

/// An extension added to requests by an outer layer.
#[derive(Debug, Clone, PartialEq)]
struct Marker(&'static str);

async fn nothing(_: WebSocket, _: Request<()>) {}

/// Responds with everything that reaches the inner service, as text.
async fn describe<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible>
where
    B: Body<Data = Bytes>,
{
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else { panic!("a body that cannot be read") };
    let trailers = body.trailers().cloned();
    let text = format!(
        "{} {} {:?} upgradable: {} marker: {:?} body: {:?} trailers: {:?}",
        parts.method,
        parts.uri,
        parts.headers.get("x-test"),
        parts.extensions.get::<OnUpgrade>().is_some(),
        parts.extensions.get::<Marker>(),
        body.to_bytes(),
        trailers,
    );
    Ok(Response::new(Full::new(text.into())))
}

/// Sends a request as bytes through an outer layer and the WebSocket layer.
async fn over_the_wire(request: &[u8]) -> (Answer, String) {
    let service = ServiceBuilder::new()
        .map_request(|mut request: Request<_>| {
            request.extensions_mut().insert(Marker("outer"));
            request
        })
        .layer(WebSocketLayer::new(nothing))
        .service(service_fn(describe));
    let mut wire = serve(service, How::Auto).await.connect().await;
    wire.write(request).await;
    let first = wire.response().await;
    // The connection continues as HTTP.
    wire.write(Handshake::get("/next").bytes()).await;
    assert_eq!(wire.response().await.0.status, 200);
    first
}

#[test]
fn plain_get_reaches_the_inner_service() {
    run(async || {
        let (answer, body) = over_the_wire(&Handshake::get("/page?q=1").with("X-Test", "kept").bytes()).await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            body,
            "GET /page?q=1 Some(\"kept\") upgradable: false marker: Some(Marker(\"outer\")) body: b\"\" trailers: None"
        );
    });
}

#[test]
fn post_reaches_the_inner_service_with_its_body() {
    run(async || {
        let mut post = Handshake::get("/form").with("Content-Length", "5");
        post.method = "POST".into();
        post.body = b"hello".into();
        let (_, body) = over_the_wire(&post.bytes()).await;
        assert!(body.starts_with("POST /form") && body.contains("body: b\"hello\""), "{body}");
    });
}

#[test]
fn request_for_another_protocol_reaches_the_inner_service_with_its_upgrade() {
    run(async || {
        let get = Handshake::get("/").with("Connection", "Upgrade, HTTP2-Settings").with("Upgrade", "h2c");
        let (_, body) = over_the_wire(&get.with("HTTP2-Settings", "AAMAAABkAAQAAP__").bytes()).await;
        assert!(body.starts_with("GET / ") && body.contains("upgradable: true"), "{body}");
    });
}

#[test]
fn request_that_only_resembles_a_handshake_reaches_the_inner_service() {
    run(async || {
        let right = || Handshake::of(Version::Hybi13);
        let mut post = right();
        post.method = "POST".into();
        for request in [
            post,
            right().without("Connection"),
            right().set("Connection", "keep-alive"),
            right().set("Connection", "upgraded, not-upgrade"),
            right().without("Upgrade"),
            right().set("Upgrade", "websockets"),
            right().set("Upgrade", "h2c"),
        ] {
            let (answer, body) = over_the_wire(&request.bytes()).await;
            assert_eq!(answer.status, 200, "{request:?}");
            assert!(body.contains("/chat"), "{body}");
        }
    });
}

#[test]
fn handler_receives_the_head_of_the_request() {
    run(async || {
        let layer = WebSocketLayer::new(|mut socket: WebSocket, request: Request<()>| async move {
            let marker = request.extensions().get::<Marker>();
            let text = format!("{} {} {:?} {marker:?}", request.method(), request.uri(), request.headers()["x-test"]);
            socket.send(text).await.expect("a client that reads");
        });
        let service = ServiceBuilder::new()
            .map_request(|mut request: Request<_>| {
                request.extensions_mut().insert(Marker("outer"));
                request
            })
            .layer(layer)
            .service(service_fn(describe));
        let mut opening = Opening::of(Version::Hybi13).target("/room?id=7");
        opening.handshake = opening.handshake.with("X-Test", "kept");
        let mut client = opening.on(serve(service, How::Http1).await.connect().await).await;
        assert_eq!(client.text().await, "GET /room?id=7 \"kept\" Some(Marker(\"outer\"))");
        // Without a close frame, since the handler has dropped the socket.
        client.wire.eof().await;
    });
}

#[test]
fn header_names_and_tokens_are_case_insensitive_and_span_several_lines() {
    run(async || {
        for (connection, upgrade) in [
            (&["keep-alive, Upgrade"][..], "websocket"),
            (&["keep-alive", "uPGRADE"], "WebSocket"),
            (&["foo,upgrade ,bar"], "h2c, WEBSOCKET"),
        ] {
            let service = WebSocketLayer::new(nothing).layer(service_fn(describe));
            let mut opening = Opening::of(Version::Hybi13);
            opening.handshake = opening.handshake.without("Connection").set("UPGRADE", upgrade);
            for line in connection {
                opening.handshake = opening.handshake.with("connection", line);
            }
            let mut wire: Wire = serve(service, How::Http1).await.connect().await;
            wire.write(opening.handshake.bytes()).await;
            opening.confirmed(wire).await;
        }
    });
}

async fn goes_through<B>(body: B) -> String
where
    B: Body<Data = Bytes> + Send + 'static,
{
    let service = WebSocketLayer::new(nothing).layer(service_fn(describe));
    let mut request = Request::new(body);
    request.extensions_mut().insert(Marker("direct"));
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    // Its length is still known.
    assert!(response.body().size_hint().exact().is_some_and(|length| length > 0));
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
}

#[test]
fn requests_with_any_type_of_body_pass_through() {
    run(async || {
        let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), "7".parse().unwrap())]);
        let full = || Full::new(Bytes::from_static(b"full"));
        for text in [
            goes_through(full()).await,
            goes_through("full".to_owned()).await,
            goes_through(full().boxed()).await,
            goes_through(full().boxed_unsync()).await,
            goes_through(full().map_err(|_| "an error")).await,
            goes_through(axum::body::Body::from("full")).await,
        ] {
            assert!(text.contains("Marker(\"direct\")") && text.contains("body: b\"full\" trailers: None"), "{text}");
        }
        let text = goes_through(full().with_trailers(ready(Some(Ok(trailers))))).await;
        assert!(text.contains("x-sum"), "{text}");
        assert!(goes_through(Empty::new()).await.contains("body: b\"\""));
    });
}

async fn comes_back<B>(body: B) -> Collected<Bytes>
where
    B: Body<Data = Bytes, Error = Infallible>,
{
    let mut body = Some(body);
    let service = WebSocketLayer::new(nothing).layer(service_fn(move |_: Request<Full<Bytes>>| {
        let response = Response::builder().status(StatusCode::ACCEPTED).body(body.take().expect("one request"));
        ready(Ok::<_, Infallible>(response.unwrap()))
    }));
    let response = service.oneshot(Request::default()).await.unwrap();
    assert_eq!(response.status(), 202);
    response.into_body().collect().await.unwrap()
}

#[test]
fn responses_with_any_type_of_body_pass_through() {
    run(async || {
        assert_eq!(comes_back(Full::new(Bytes::from_static(b"full"))).await.to_bytes(), "full");
        assert_eq!(comes_back(Full::new(Bytes::from_static(b"full")).boxed()).await.to_bytes(), "full");
        assert_eq!(comes_back("text".to_owned()).await.to_bytes(), "text");
        assert_eq!(comes_back(Empty::new()).await.to_bytes(), "");
        let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), "7".parse().unwrap())]);
        let frames = [Frame::data(Bytes::from_static(b"data")), Frame::trailers(trailers.clone())];
        let body = comes_back(StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)))).await;
        assert_eq!(body.trailers(), Some(&trailers));
        assert_eq!(body.to_bytes(), "data");
    });
}

#[derive(Debug, Clone, PartialEq)]
struct InnerError;

/// A service that is not always ready.
#[derive(Clone)]
struct Moody(Poll<Result<(), InnerError>>);

impl Service<Request<Full<Bytes>>> for Moody {
    type Response = Response<Full<Bytes>>;
    type Error = InnerError;
    type Future = Ready<Result<Self::Response, InnerError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), InnerError>> {
        self.0.clone()
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        ready(Err(InnerError))
    }
}

#[test]
fn inner_service_decides_when_it_is_ready() {
    for mood in [Poll::Pending, Poll::Ready(Ok(())), Poll::Ready(Err(InnerError))] {
        let mut service = WebSocketLayer::new(nothing).layer(Moody(mood.clone()));
        assert_eq!(service.poll_ready(&mut Context::from_waker(Waker::noop())), mood);
    }
}

#[test]
fn errors_of_the_inner_service_are_unchanged() {
    run(async || {
        let service = WebSocketLayer::new(nothing).layer(Moody(Poll::Ready(Ok(()))));
        assert_eq!(service.oneshot(Request::default()).await.err(), Some(InnerError));
    });
}
