//! The types of `axum::extract::ws` on top of the native ones, for code written for axum that
//! changes only its imports.
//!
//! ```
//! use axum::{Router, response::Response, routing::any};
//! use axum_websocket::ws::{Message, WebSocket, WebSocketUpgrade};
//!
//! async fn handler(ws: WebSocketUpgrade) -> Response {
//!     ws.on_upgrade(handle)
//! }
//!
//! async fn handle(mut socket: WebSocket) {
//!     while let Some(Ok(message)) = socket.recv().await {
//!         match message {
//!             Message::Text(_) | Message::Binary(_) => {
//!                 if socket.send(message).await.is_err() {
//!                     break;
//!                 }
//!             }
//!             Message::Ping(_) | Message::Pong(_) => {}
//!             Message::Close(frame) => println!("closed: {frame:?}"),
//!         }
//!     }
//! }
//!
//! let app: Router = Router::new().route("/ws", any(handler));
//! ```
//!
//! New code should use the [native types](crate): they have no variants that most handlers ignore,
//! a `split` with cloneable senders, and a `close` that completes the closing handshake.
//! [`migrating`](crate::migrating) describes the migration, which can be done handler by handler:
//! [`WebSocketUpgrade::into_native`], [`WebSocket::native`] and [`WebSocket::into_native`] convert
//! to the native types, and `WebSocket::from` converts back.
//!
//! # Differences from axum
//!
//! | | axum | here |
//! |---|---|---|
//! | a handler that returns after it has received `Message::Close` | the peer may see 1006 | the close frame is answered before it is received |
//! | a silent peer | stays connected forever | is pinged, and dropped with an error after about 40 s (configurable with [`Config`](crate::Config)). The pongs to these pings are not received |
//! | a peer that does not read | output grows without a limit, or sending fails with [`max_write_buffer_size`](WebSocketUpgrade::max_write_buffer_size) | sending waits, and after about 40 s the peer is dropped |
//! | a close code that must not be sent (1005, 1006, 1015, below 1000), a close reason over 123 bytes, a ping or pong over 125 bytes | is sent, and fails the connection | sending returns an error |
//! | a subprotocol that the client did not offer | is sent, and fails the connection | counts as none |
//! | [`requested_protocols`](WebSocketUpgrade::requested_protocols) | sorted | in the client's order |
//! | [`accept_unmasked_frames`](WebSocketUpgrade::accept_unmasked_frames) | accepts them | does nothing, and is deprecated so that the compiler warns |
//! | [`read_buffer_size`](WebSocketUpgrade::read_buffer_size), [`write_buffer_size`](WebSocketUpgrade::write_buffer_size) | set sizes | do nothing |
//! | a pong sent by the application | replaces a queued one | is sent in addition |
//! | errors | can be downcast to those of tungstenite | can be downcast to [`tower_websocket::Error`], [`AbnormalEnd`] or [`tower_websocket::server::UpgradeError`] |
//! | [rejections](rejection) | 400 for a wrong version, 426 for HTTP/1.0 or a server without upgrades | 426 for a wrong version, 400 for HTTP/1.0, 500 for a server without upgrades; more is checked |
//! | `TryFrom<Bytes>` and `TryFrom<Vec<u8>>` of [`Utf8Bytes`] | fail with `std::str::Utf8Error` | fail with [`InvalidUtf8`](crate::error::InvalidUtf8) |
//! | a received [`Message`] | has its own buffer | may share the read buffer of up to 128 KiB: copy messages that are stored for long |

mod close;
pub mod close_code;
mod extract;
mod message;
mod on_failed_upgrade;
pub mod rejection;
mod socket;
mod stream_sink;
mod upgrade;

pub use close::{CloseCode, CloseFrame};
pub use message::Message;
pub use on_failed_upgrade::{DefaultOnFailedUpgrade, OnFailedUpgrade};
pub use socket::WebSocket;
pub use tower_websocket::{AbnormalEnd, Utf8Bytes};
pub use upgrade::WebSocketUpgrade;
