use axum_core::Error;

/// A callback for accepted handshakes that do not result in a socket: see
/// [`WebSocketUpgrade::on_failed_upgrade`](super::WebSocketUpgrade::on_failed_upgrade).
pub trait OnFailedUpgrade: Send + 'static {
    /// Handles the error, whose source is a [`tower_websocket::server::UpgradeError`].
    fn call(self, error: Error);
}

impl<F: FnOnce(Error) + Send + 'static> OnFailedUpgrade for F {
    fn call(self, error: Error) {
        self(error);
    }
}

/// The default callback, which ignores the error.
#[derive(Debug)]
#[non_exhaustive]
pub struct DefaultOnFailedUpgrade;

impl OnFailedUpgrade for DefaultOnFailedUpgrade {
    fn call(self, _: Error) {}
}
