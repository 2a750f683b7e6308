use tower_websocket::{CloseCode as NativeCode, CloseFrame as NativeFrame, Utf8Bytes};

/// A close code: the reason why a WebSocket is closed, as a number (RFC 6455 §7.4).
/// [`close_code`](super::close_code) has constants for the common ones.
pub type CloseCode = u16;

/// The code and reason of a close frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    /// The code.
    pub code: CloseCode,
    /// The reason as text, often empty. At most 123 bytes.
    pub reason: Utf8Bytes,
}

impl CloseFrame {
    /// Converts a close frame of the native socket. Returns `None` if the peer's close frame had no
    /// code.
    pub(super) fn received(frame: NativeFrame) -> Option<Self> {
        let has_code = frame.code != NativeCode::NO_STATUS;
        has_code.then(|| Self { code: frame.code.into(), reason: frame.reason })
    }
}
