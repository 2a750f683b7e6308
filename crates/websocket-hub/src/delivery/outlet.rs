use std::future::Future;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};
use tower_websocket::{CloseCode, PreparedBatch, PreparedMessage, SendError, WebSocketSender};

/// The connection of a member, independent of the transport's type.
pub(crate) trait Outlet: Send + Sync + 'static {
    /// Writes as many messages as there is room for. Returns their number.
    fn try_send(&self, messages: &[&PreparedMessage]) -> Result<usize, SendError>;

    /// Like [`try_send`](Self::try_send), for messages that many members receive.
    fn try_send_joined(&self, batch: &PreparedBatch) -> Result<usize, SendError>;

    /// Waits until there is room. Returns `false` if the connection is gone.
    fn ready(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>>;

    /// Starts to close.
    fn close(&self, code: CloseCode, reason: &str);
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Outlet for WebSocketSender<T> {
    fn try_send(&self, messages: &[&PreparedMessage]) -> Result<usize, SendError> {
        self.try_send_batch(messages)
    }

    fn try_send_joined(&self, batch: &PreparedBatch) -> Result<usize, SendError> {
        Self::try_send_joined(self, batch)
    }

    fn ready(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(async move { Self::ready(self).await.is_ok() })
    }

    fn close(&self, code: CloseCode, reason: &str) {
        // A connection that is gone needs no close, and the code is valid.
        let _ = self.start_close(code, reason);
    }
}
