use std::error::Error;
use std::future::{Future, poll_fn};

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tower_service::Service;

use super::handshake::Handshake;
use super::peer::Peer;
use super::transport::{Transport, transport};

/// Serves a service with hyper over an in-memory transport, and returns the client's end.
///
/// Use it with a [`Peer`], or with the client of this crate:
///
/// ```
/// # use std::convert::Infallible;
/// # use http::{Request, Response};
/// # use hyper::body::Incoming;
/// # use tower::{Layer, service_fn};
/// use tower_websocket::{WebSocket, WebSocketLayer, connect, test};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let layer = WebSocketLayer::new(|mut socket: WebSocket, _: Request<()>| async move {
///     let _ = socket.send("hello").await;
/// });
/// let app = layer.layer(service_fn(async |_: Request<Incoming>| Ok::<_, Infallible>(Response::new(String::new()))));
/// let (mut socket, _response) = connect("ws://example.com/chat").over(test::serve(app)).await.unwrap();
/// assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("hello"));
/// # }
/// ```
///
/// # Panics
///
/// Outside of a tokio runtime.
pub fn serve<S, B>(service: S) -> Transport
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let (io, other) = transport();
    let service = service_fn(move |request| {
        let mut service = service.clone();
        async move {
            poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(request).await
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(io), service).with_upgrades();
    // A failure is visible at the other end.
    tokio::spawn(async move { drop(connection.await) });
    other
}

/// Opens a connection to a service that is [served](serve()) over an in-memory transport.
///
/// ```
/// # use std::convert::Infallible;
/// # use http::{Request, Response};
/// # use hyper::body::Incoming;
/// # use tower::{Layer, service_fn};
/// use tower_websocket::{WebSocket, WebSocketLayer, test};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let layer = WebSocketLayer::new(|mut socket: WebSocket, request: Request<()>| async move {
///     let _ = socket.send(format!("this is {}", request.uri())).await;
/// });
/// let app = layer.layer(service_fn(async |_: Request<Incoming>| Ok::<_, Infallible>(Response::new(String::new()))));
/// let mut peer = test::open(app, "/chat").await;
/// peer.expect_text("this is /chat").await;
/// # }
/// ```
///
/// # Panics
///
/// If the handshake is refused. The message contains the response.
#[track_caller]
pub fn open<S, B>(service: S, handshake: impl Into<Handshake>) -> impl Future<Output = Peer>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let (handshake, at) = (handshake.into(), std::panic::Location::caller());
    async move {
        let mut peer = Peer::new(serve(service));
        peer.send_handshake(&handshake);
        peer.receive_response(&handshake, at).await;
        peer
    }
}
