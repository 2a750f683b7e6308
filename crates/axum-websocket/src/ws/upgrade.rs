use std::borrow::Cow;
use std::fmt;
use std::future::Future;

use axum_core::Error;
use axum_core::response::Response;
use http::HeaderValue;
use tower_websocket::ServerConfig;

use super::on_failed_upgrade::{DefaultOnFailedUpgrade, OnFailedUpgrade};
use super::socket::WebSocket;
use crate::extract::WebSocketUpgrade as NativeUpgrade;

/// Extractor of a WebSocket handshake with the interface of axum's.
///
/// Use `any` for routes that serve HTTP/2 as well, since the method is CONNECT there. A
/// [`Config`](tower_websocket::Config) in the request's extensions, from
/// `.layer(Extension(config))`, sets limits, timeouts and extensions; the setters here modify it
/// for one handler. Origin checks and shutdown, which axum's extractor does not have, are available
/// after [`into_native`](Self::into_native).
///
/// ```
/// use axum::{Router, response::Response, routing::any};
/// use axum_websocket::ws::{WebSocket, WebSocketUpgrade};
///
/// async fn handler(ws: WebSocketUpgrade) -> Response {
///     ws.max_message_size(64 * 1024)
///         .protocols(["chat.v2", "chat.v1"])
///         .on_failed_upgrade(|error| eprintln!("{error}"))
///         .on_upgrade(async |mut socket: WebSocket| {
///             let _ = socket.send("hello".into()).await;
///         })
/// }
///
/// let app: Router = Router::new().route("/ws", any(handler));
/// ```
#[must_use]
pub struct WebSocketUpgrade<F = DefaultOnFailedUpgrade> {
    native: NativeUpgrade,
    on_failed_upgrade: F,
}

impl WebSocketUpgrade {
    pub(super) fn new(native: NativeUpgrade) -> Self {
        Self { native, on_failed_upgrade: DefaultOnFailedUpgrade }
    }
}

impl<F> WebSocketUpgrade<F> {
    /// Does nothing. Provided for code written for axum: a connection has no read buffer while it
    /// is idle, and one of up to 128 KiB while it reads.
    pub fn read_buffer_size(self, _bytes: usize) -> Self {
        self
    }

    /// Does nothing. Provided for code written for axum: messages are buffered until they are
    /// flushed, or until [`max_write_buffer_size`](Self::max_write_buffer_size) is reached.
    pub fn write_buffer_size(self, _bytes: usize) -> Self {
        self
    }

    /// Sets the number of bytes that may be waiting to be written. Default: 256 KiB. Above it,
    /// sending waits instead of failing like axum's. A single message may exceed it. Same as
    /// [`Config::max_output`](tower_websocket::Config::max_output).
    pub fn max_write_buffer_size(self, bytes: usize) -> Self {
        // With 0 there would never be room for a ping.
        self.map_config(|config| config.max_output(bytes.max(1)))
    }

    /// Sets the maximum size of a message in bytes. Default: 64 MiB less one byte. A longer message
    /// closes the connection with 1009. Same as
    /// [`Config::max_message_size`](tower_websocket::Config::max_message_size).
    pub fn max_message_size(self, bytes: usize) -> Self {
        self.map_config(|config| config.max_message_size(bytes))
    }

    /// Sets the maximum payload size of a frame in bytes. Default: 64 MiB less one byte, compared
    /// to 16 MiB in axum. A longer frame closes the connection with 1009. Same as
    /// [`Config::max_frame_size`](tower_websocket::Config::max_frame_size).
    pub fn max_frame_size(self, bytes: usize) -> Self {
        self.map_config(|config| config.max_frame_size(bytes))
    }

    /// Does nothing: unmasked frames always close the connection with 1002, as required (RFC 6455
    /// §5.1). Masking protects intermediaries from forged traffic (RFC 6455 §10.3).
    #[deprecated = "unmasked frames are never accepted (RFC 6455 §5.1)"]
    pub fn accept_unmasked_frames(self, _accept: bool) -> Self {
        self
    }

    /// Sets the supported subprotocols in order of preference. The first one that the client offers
    /// is selected.
    ///
    /// Replaces the selection of an earlier call, of
    /// [`set_selected_protocol`](Self::set_selected_protocol), and of the configuration.
    pub fn protocols<I>(mut self, protocols: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Cow<'static, str>>,
    {
        let mut protocols = protocols.into_iter().filter_map(|name| HeaderValue::from_str(&name.into()).ok());
        let chosen = protocols.find(|name| self.requested_protocols().any(|requested| requested == name));
        self.native.select_protocol(chosen.as_ref());
        self
    }

    /// Returns the subprotocols that the client offers, in its order of preference.
    pub fn requested_protocols(&self) -> impl Iterator<Item = &HeaderValue> {
        self.native.requested_protocols()
    }

    /// Selects the subprotocol. A name that the client did not offer counts as none, since clients
    /// would fail the connection (RFC 6455 §4.1).
    ///
    /// Replaces the selection of an earlier call and of [`protocols`](Self::protocols).
    pub fn set_selected_protocol(&mut self, protocol: HeaderValue) {
        self.native.select_protocol(Some(&protocol));
    }

    /// Returns the subprotocol that will be selected.
    pub fn selected_protocol(&self) -> Option<&HeaderValue> {
        self.native.selected_protocol()
    }

    /// Sets a callback for an accepted handshake that does not result in a socket: the peer has
    /// disconnected, or the server does not serve connections with upgrades. Default: the error is
    /// ignored.
    pub fn on_failed_upgrade<C: OnFailedUpgrade>(self, callback: C) -> WebSocketUpgrade<C> {
        WebSocketUpgrade { native: self.native, on_failed_upgrade: callback }
    }

    /// Accepts the handshake. Returns the response, which the handler must return, and runs the
    /// callback with the socket in a separate task once the response was sent.
    #[must_use = "the handshake completes only when this response is returned"]
    pub fn on_upgrade<C, Fut>(self, callback: C) -> Response
    where
        C: FnOnce(WebSocket) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
        F: OnFailedUpgrade,
    {
        self.into_native().on_upgrade(move |socket| callback(socket.into()))
    }

    /// Converts the extractor to the native one, including all options. Its sockets are native;
    /// `WebSocket::from` converts them.
    ///
    /// ```
    /// use axum::{extract::State, response::Response};
    /// use axum_websocket::ws::{WebSocket, WebSocketUpgrade};
    /// use axum_websocket::{OriginGuard, Shutdown, rejection::OriginRejection};
    ///
    /// async fn handler(
    ///     ws: WebSocketUpgrade,
    ///     State((guard, shutdown)): State<(OriginGuard, Shutdown)>,
    /// ) -> Result<Response, OriginRejection> {
    ///     let ws = ws.into_native().check_origin(&guard)?.shutdown(&shutdown);
    ///     Ok(ws.on_upgrade(|socket| handle(socket.into())))
    /// }
    ///
    /// async fn handle(mut socket: WebSocket) {
    ///     let _ = socket.send("hello".into()).await;
    /// }
    /// ```
    pub fn into_native(self) -> NativeUpgrade
    where
        F: OnFailedUpgrade,
    {
        let on_failed_upgrade = self.on_failed_upgrade;
        self.native.on_failed_upgrade(move |error| on_failed_upgrade.call(Error::new(error)))
    }

    fn map_config(self, change: impl FnOnce(ServerConfig) -> ServerConfig) -> Self {
        Self { native: self.native.map_config(change), ..self }
    }
}

impl<F> fmt::Debug for WebSocketUpgrade<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketUpgrade").field("native", &self.native).finish_non_exhaustive()
    }
}
