use std::future::Future;
use std::io;
use std::panic::Location;
use std::sync::Mutex;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;

use super::handshake::Handshake;
use super::peer::{Peer, fail};
use super::transport::transport;
use crate::sync::lock;

/// Returns a handshake request for `tower::ServiceExt::oneshot`, and the client that waits for the
/// response.
///
/// An upgrade needs hyper's `OnUpgrade` in the request's extensions, which only hyper can create.
/// So the request was read by an in-memory hyper server, which will also send the response. The
/// body is the default of its type, such as `axum::body::Body`.
///
/// ```
/// # use std::convert::Infallible;
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Empty;
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_websocket::{WebSocket, WebSocketLayer, test};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let layer = WebSocketLayer::new(|mut socket: WebSocket, _: Request<()>| async move {
///     let _ = socket.send("hello").await;
/// });
/// let app = layer.layer(service_fn(async |_| Ok::<_, Infallible>(Response::new(String::new()))));
///
/// let (request, client) = test::request::<Empty<Bytes>>("/chat").await;
/// let response = app.oneshot(request).await.unwrap();
/// let mut peer = client.upgraded(response).await;
/// peer.expect_text("hello").await;
/// # }
/// ```
///
/// # Panics
///
/// Outside of a tokio runtime, and if hyper rejects the request.
#[track_caller]
pub fn request<B: Default>(handshake: impl Into<Handshake>) -> impl Future<Output = (Request<B>, Upgrading)> {
    let (handshake, at) = (handshake.into(), Location::caller());
    async move {
        let (io, other) = transport();
        let mut peer = Peer::new(other);
        peer.send_handshake(&handshake);
        let (sender, request) = oneshot::channel();
        let (answer, response) = oneshot::channel();
        let once = Mutex::new(Some((sender, response)));
        let service = service_fn(move |request: Request<Incoming>| {
            let once = lock(&once).take();
            async move {
                let (sender, response) = once.ok_or_else(|| io::Error::other("expected a single request"))?;
                let _ = sender.send(request);
                // Dropped if the test does not use the upgrade.
                let response: Response<()> = response.await.map_err(io::Error::other)?;
                io::Result::Ok(response.map(|()| Empty::<Bytes>::new()))
            }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(io), service).with_upgrades();
        tokio::spawn(async move { drop(connection.await) });
        let Ok(request) = request.await else {
            fail(at, format_args!("hyper rejected the request: {handshake:?}"));
        };
        (request.map(|_| B::default()), Upgrading { peer, handshake, answer })
    }
}

/// The client of a [`request`](request()), which waits for the response. Dropping it closes the
/// connection.
#[derive(Debug)]
#[must_use = "the connection is closed unless it is upgraded"]
pub struct Upgrading {
    peer: Peer,
    handshake: Handshake,
    answer: oneshot::Sender<Response<()>>,
}

impl Upgrading {
    /// Sends the response, and returns the open connection.
    ///
    /// If the handler awaits its [`Upgrade`](crate::server::Upgrade) in the same task, run it
    /// concurrently with `tokio::join!`.
    ///
    /// # Panics
    ///
    /// If the response is not one that a client of the handshake's version accepts. The message
    /// contains the body of a refusal.
    #[track_caller]
    pub fn upgraded<B: Body>(self, response: Response<B>) -> impl Future<Output = Peer> {
        let at = Location::caller();
        async move {
            let Self { mut peer, handshake, answer } = self;
            let (parts, body) = response.into_parts();
            if parts.status != StatusCode::SWITCHING_PROTOCOLS {
                let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                let body = String::from_utf8_lossy(&body);
                fail(at, format_args!("the handshake was refused with {}: {body}", parts.status));
            }
            let _ = answer.send(Response::from_parts(parts, ()));
            peer.receive_response(&handshake, at).await;
            peer
        }
    }
}
