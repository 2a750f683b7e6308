/// The result of a handshake that was performed elsewhere, for example by another HTTP library: the
/// argument of [`Driver::after_handshake`](crate::Driver::after_handshake).
///
/// The handshake must be one of RFC 6455 without extensions.
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
    /// Creates the result of a handshake without a subprotocol.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the negotiated subprotocol. Default: none.
    pub fn protocol(self, name: impl Into<Box<str>>) -> Self {
        Self { protocol: Some(name.into()), ..self }
    }

    /// Sets the path of the request, which is reported to the observer. Default: the empty path.
    pub fn path(self, path: impl Into<Box<str>>) -> Self {
        Self { path: path.into(), ..self }
    }
}
