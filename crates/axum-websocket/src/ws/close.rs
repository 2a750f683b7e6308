use tower_websocket::{CloseCode as NativeCode, CloseFrame as NativeFrame, Utf8Bytes};

/// The reason for which a WebSocket is closed, as a number (RFC 6455 §7.4). [`close_code`](super::close_code) has names for the
/// usual ones.
pub type CloseCode = u16;

/// The code and the reason of a close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    /// The code.
    pub code: CloseCode,
    /// The reason as text, often empty; at most 123 bytes.
    pub reason: Utf8Bytes,
}

impl CloseFrame {
    /// Converts what the native socket reports. `None` if the peer's close frame had no code.
    pub(super) fn received(frame: NativeFrame) -> Option<Self> {
        let has_code = frame.code != NativeCode::NO_STATUS;
        has_code.then(|| Self { code: frame.code.into(), reason: frame.reason })
    }
}
