//! The types of `axum::extract::ws`, over the native ones: for code that was written for axum and changes nothing but the import.
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
//! New code is better off with the [native types](crate): they have no variants that most handlers ignore, a `split` whose senders
//! can be cloned, and a `close` that completes the closing handshake. [`migrating`](crate::migrating) shows the way, which may
//! be taken handler by handler: [`WebSocketUpgrade::into_native`], [`WebSocket::native`] and [`WebSocket::into_native`] lead to
//! the native types, and `WebSocket::from` back.
//!
//! # Differences from axum
//!
//! | | axum | here |
//! |---|---|---|
//! | a handler that returns after it has received `Message::Close` | the peer may see 1006 | the close was answered before it is received |
//! | a peer that is silent | stays for ever | is pinged, and dropped with an error after about 40 s ([`Config`](crate::Config) has the times). The pongs to these pings are not received |
//! | a peer that does not read | output grows without a limit, or sending fails with [`max_write_buffer_size`](WebSocketUpgrade::max_write_buffer_size) | sending waits, and after about 40 s the peer is dropped |
//! | a close code that may not be sent (1005, 1006, 1015, below 1000), a close reason over 123 bytes, a ping or pong over 125 bytes | is sent, and fails the connection | sending returns an error |
//! | a subprotocol that the client did not offer | is sent, and fails the connection | counts as none |
//! | [`requested_protocols`](WebSocketUpgrade::requested_protocols) | sorted | in the order of the client |
//! | [`accept_unmasked_frames`](WebSocketUpgrade::accept_unmasked_frames) | accepts them | does nothing, and is deprecated so that the compiler says so |
//! | [`read_buffer_size`](WebSocketUpgrade::read_buffer_size), [`write_buffer_size`](WebSocketUpgrade::write_buffer_size) | set sizes | do nothing |
//! | a pong that is sent by hand | replaces one that waits to be sent | is sent besides |
//! | errors | downcast to those of tungstenite | downcast to [`tower_websocket::Error`], [`AbnormalEnd`] or [`tower_websocket::UpgradeError`] |
//! | [rejections](rejection) | 400 for a wrong version, 426 for HTTP/1.0 or a server without upgrades | 426 for a wrong version, 400 for HTTP/1.0, 500 for a server without upgrades; more is checked |
//! | `TryFrom<Bytes>` and `TryFrom<Vec<u8>>` of [`Utf8Bytes`] | fail with `std::str::Utf8Error` | fail with [`InvalidUtf8`](crate::InvalidUtf8) |
//! | [`Message`] from a peer | has a buffer of its own | may share the buffer that it was read into, of up to 128 KiB: copy what is kept for long |

mod abnormal_end;
mod close;
pub mod close_code;
mod extract;
mod message;
mod on_failed_upgrade;
pub mod rejection;
mod socket;
mod stream_sink;
mod upgrade;

pub use abnormal_end::AbnormalEnd;
pub use close::{CloseCode, CloseFrame};
pub use message::Message;
pub use on_failed_upgrade::{DefaultOnFailedUpgrade, OnFailedUpgrade};
pub use socket::WebSocket;
pub use tower_websocket::Utf8Bytes;
pub use upgrade::WebSocketUpgrade;
