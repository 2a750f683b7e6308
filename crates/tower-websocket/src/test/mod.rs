//! Utilities for testing WebSocket handlers without sockets and without waiting. Requires the
//! feature `test-util`:
//!
//! ```toml
//! [dev-dependencies]
//! tower-websocket = { version = "0.1", features = ["test-util"] }
//! tokio = { version = "1", features = ["macros", "rt", "test-util"] }
//! ```
//!
//! A [`Peer`] is the other end of a connection, controlled by the test frame by frame. This is a
//! complete test of a service with a [`WebSocketLayer`](crate::WebSocketLayer); an axum `Router`
//! can be used in the same way.
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
//!     let _ = socket.close(CloseCode::GOING_AWAY, "timed out").await;
//! }
//! # async fn not_found(_: Request<Incoming>) -> Result<Response<String>, Infallible> { Ok(Response::default()) }
//!
//! #[tokio::test(start_paused = true)]
//! async fn chat_ends_after_15_seconds_of_silence() {
//!     let app = WebSocketLayer::new(chat).layer(service_fn(not_found));
//!     let mut peer = test::open(app, "/chat").await;
//!     peer.send_text("anybody?");
//!     peer.expect_text("anybody?").await;
//!     peer.expect_nothing(Duration::from_secs(14)).await;
//!     assert_eq!(peer.expect_close(1001).await, "timed out");
//! }
//! ```
//!
//! # Opening a connection
//!
//! | to test | use |
//! |---|---|
//! | a service: an axum `Router`, a layer, a `service_fn` | [`open`](open()), or [`serve`](serve()) with [`connect`](crate::connect()) to test it with the client |
//! | a service with `tower::ServiceExt::oneshot` | [`request`](request()) |
//! | an `async fn(WebSocket)` | [`server`](server()), or [`pair`](pair()) with the client of this crate |
//! | a client with an open socket | [`client`] |
//! | a client including its request | [`transport`](transport()), [`Connect::over`](crate::client::Connect::over) and [`Peer::accept`] |
//!
//! [`Handshake::version`] selects one of the drafts.
//!
//! # Virtual time
//!
//! Nothing here needs real time. With `#[tokio::test(start_paused = true)]` and tokio's feature
//! `test-util`, the clock is paused while any task can make progress, and advances to the next
//! timer when all tasks wait: the test above takes a millisecond. The pings, timeouts and limits of
//! [`Config`](crate::Config) use the same clock.
//!
//! # Observers
//!
//! A [`Recorder`] is an observer that records openings, refusals, traffic and causes of closes, for
//! assertions.
//!
//! # Failing transports
//!
//! [`Peer::chop`] splits transferred data into small pieces, [`Peer::stall`] makes writes wait,
//! [`Peer::cut`] ends the transport without a close frame, and [`Peer::reset`] makes it fail.

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
