/// The state of a connection.
// Exhaustive: the four states of the WebSocket API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadyState {
    /// The handshake is not complete. Messages are queued.
    Connecting,
    /// Messages can be sent and received.
    Open,
    /// A close frame was sent and has not been answered. Messages may still be received, but none
    /// can be sent.
    Closing,
    /// The connection is closed.
    Closed,
}
