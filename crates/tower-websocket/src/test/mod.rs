//! What it takes to test handlers of WebSockets, without a port and in no time. Behind the feature `test-util`:
//!
//! ```toml
//! [dev-dependencies]
//! tower-websocket = { version = "0.1", features = ["test-util"] }
//! tokio = { version = "1", features = ["macros", "rt", "test-util"] }
//! ```
//!
//! A [`Peer`] is the other end of a connection, and does as the test says, frame by frame. This is a whole test, of a
//! service with a [`WebSocketLayer`](crate::WebSocketLayer) here; an axum `Router` goes in its place as it is.
//!
//! ```test_harness
//! # use std::convert::Infallible;
//! # use std::time::Duration;
//! # use http::{Request, Response};
//! # use hyper::body::Incoming;
//! # use tower::{Layer, service_fn};
//! use tower_websocket::{CloseCode, WebSocket, WebSocketLayer, test};
//!
//! async fn chat(mut socket: WebSocket, _request: Request<()>) {
//!     while let Ok(Some(Ok(message))) = tokio::time::timeout(Duration::from_secs(15), socket.recv()).await {
//!         if socket.send(message).await.is_err() { return }
//!     }
//!     let _ = socket.close(CloseCode::GOING_AWAY, "nobody is here").await;
//! }
//! # async fn not_found(_: Request<Incoming>) -> Result<Response<String>, Infallible> { Ok(Response::default()) }
//!
//! #[tokio::test(start_paused = true)]
//! async fn a_chat_ends_after_15_seconds_of_silence() {
//!     let app = WebSocketLayer::new(chat).layer(service_fn(not_found));
//!     let mut peer = test::open(app, "/chat").await;
//!     peer.send_text("anybody?");
//!     peer.expect_text("anybody?").await;
//!     peer.expect_nothing(Duration::from_secs(14)).await;
//!     assert_eq!(peer.expect_close(1001).await, "nobody is here");
//! }
//! ```
//!
//! # Ways to a connection
//!
//! | what is tested | how |
//! |---|---|
//! | a service: an axum `Router`, a layer, a `service_fn` | [`open`](open()), or [`serve`](serve()) with [`connect`](crate::connect()) for its own client |
//! | a service, by `tower::ServiceExt::oneshot` | [`request`](request()) |
//! | an `async fn(WebSocket)` | [`server`], or [`pair`](pair()) with the client of this crate |
//! | a client, with its socket open | [`client`] |
//! | a client from its request on | [`transport`](transport()), [`Connect::over`](crate::Connect::over) and [`Peer::accept`] |
//!
//! Drafts are asked for by [`Handshake::version`].
//!
//! # Virtual time
//!
//! Nothing here needs real time. Under `#[tokio::test(start_paused = true)]`, with tokio's feature `test-util`, its clock
//! stands still while anything can go on, and jumps to the next timer when all wait: the time above takes a millisecond. The
//! pings, timeouts and limits of [`Config`](crate::Config) go by the same clock.
//!
//! # Observers
//!
//! A [`Recorder`] is an observer that records openings, refusals, traffic and causes of closes, for assertions.
//!
//! # Transports that fail
//!
//! [`Peer::chop`] cuts what goes over the transport into pieces, [`Peer::stall`] makes writes wait, [`Peer::cut`] ends it
//! without a close, and [`Peer::reset`] makes it fail.

mod faults;
mod frame;
mod handshake;
mod head;
#[cfg(feature = "client")]
mod pair;
mod patience;
mod peer;
mod pipe;
mod recorder;
mod request;
mod serve;
mod server;
mod transport;

pub use frame::Frame;
pub use handshake::Handshake;
#[cfg(feature = "client")]
pub use pair::{client, pair};
pub use peer::Peer;
pub use recorder::{Recorded, RecordedOpening, Recorder};
pub use request::{Upgrading, request};
pub use serve::{open, serve};
pub use server::server;
pub use transport::{Transport, transport};
