/// The state of a connection.
// Exhaustive: the four states of the WebSocket API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadyState {
    /// The handshake is not done. Messages are queued.
    Connecting,
    /// Messages come and go.
    Open,
    /// A close was sent, and its answer is waited for. Messages may still come, none can be sent.
    Closing,
    /// It is over.
    Closed,
}
