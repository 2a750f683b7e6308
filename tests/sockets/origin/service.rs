//! The guard as a Tower layer: other requests pass through.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_websocket::Version;
use tower_websocket::origin::OriginGuardService;
use websocket_tests::wire::Handshake;

use super::gates::{LAYERS, confirm_inner, foreign, guard, localhost, response};
use crate::run::run;

#[test]
fn plain_requests_pass_through_whatever_their_origin_and_host() {
    run(async || {
        for gate in LAYERS {
            let port = gate.serve(localhost().require_origin(true)).await;
            let mut post = Handshake::get("/").with("Content-Length", "4").with("Origin", "http://evil.com");
            (post.method, post.body) = ("POST".into(), b"body".into());
            for request in [
                Handshake::get("/"),
                Handshake::get("/").set("Host", "evil.com").with("Origin", "null"),
                Handshake::get("/").with("Origin", "a").with("Origin", "b"),
                Handshake::get("/").with("Connection", "Upgrade").with("Upgrade", "h2c").with("Origin", "null"),
                post,
            ] {
                confirm_inner(&response(port, &request).await);
            }
        }
    });
}

async fn goes_through<B>(body: B)
where
    B: Body<Data = Bytes, Error = Infallible>,
{
    let mut body = Some(body);
    let service = guard().layer(service_fn(move |request: Request<&'static str>| {
        assert_eq!(request.into_body(), "of any type");
        ready(Ok::<_, Infallible>(Response::new(body.take().expect("one request"))))
    }));
    let response = service.oneshot(Request::new("of any type")).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "full");
}

#[test]
fn bodies_of_any_type_pass_through() {
    run(async || {
        goes_through(Full::new(Bytes::from_static(b"full"))).await;
        goes_through(Full::new(Bytes::from_static(b"full")).boxed_unsync()).await;
        goes_through("full".to_owned()).await;
    });
}

#[derive(Debug, Clone, PartialEq)]
struct InnerError;

/// A service that is not always ready.
#[derive(Debug, Clone)]
struct Moody(Poll<Result<(), InnerError>>);

impl Service<Request<()>> for Moody {
    type Response = Response<Full<Bytes>>;
    type Error = InnerError;
    type Future = Ready<Result<Self::Response, InnerError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), InnerError>> {
        self.0.clone()
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Err(InnerError))
    }
}

#[test]
fn inner_service_decides_when_it_is_ready_and_its_errors_are_unchanged() {
    for mood in [Poll::Pending, Poll::Ready(Ok(())), Poll::Ready(Err(InnerError))] {
        let mut service: OriginGuardService<_> = guard().layer(Moody(mood.clone()));
        assert_eq!(service.poll_ready(&mut Context::from_waker(Waker::noop())), mood);
    }
    run(async || {
        let service = guard().layer(Moody(Poll::Ready(Ok(()))));
        assert_eq!(service.clone().oneshot(Request::default()).await.err(), Some(InnerError));
        // Refused requests do not reach it.
        let refused = service.oneshot(foreign(Version::Hybi13, "http://evil.com").request()).await.unwrap();
        assert_eq!(refused.status(), 403);
        assert!(refused.body().size_hint().exact().is_some_and(|length| length > 0));
    });
}
