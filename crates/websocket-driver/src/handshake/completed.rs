/// The result of a handshake that was done elsewhere, by another HTTP library for instance: what
/// [`Driver::after_handshake`](crate::Driver::after_handshake) needs to know of it.
///
/// It is a handshake of RFC 6455 that agreed to no extension.
///
/// ```
/// use websocket_driver::CompletedHandshake;
///
/// let handshake = CompletedHandshake::new().protocol("chat").path("/rooms/1");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct CompletedHandshake {
    pub(crate) protocol: Option<Box<str>>,
    pub(crate) path: Box<str>,
}

impl CompletedHandshake {
    /// Creates the result of a handshake that agreed to no subprotocol.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the subprotocol that was agreed to. Default: none.
    pub fn protocol(self, name: impl Into<Box<str>>) -> Self {
        Self { protocol: Some(name.into()), ..self }
    }

    /// Sets the path of the request, which an observer is told. Default: the empty path.
    pub fn path(self, path: impl Into<Box<str>>) -> Self {
        Self { path: path.into(), ..self }
    }
}
