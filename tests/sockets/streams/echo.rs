//! A server that echoes messages as they arrive.

use tokio::io::{AsyncRead, AsyncWrite};
use tower_websocket::{Error, WebSocket};

/// Echoes messages of up to a size.
pub(crate) async fn echo_streams<T>(mut socket: WebSocket<T>, limit: u64) -> Result<(), Error>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let sender = socket.sender();
    while let Some(message) = socket.recv_stream(limit).await {
        let mut message = message?;
        let mut echo = sender.send_stream(message.kind());
        while let Some(chunk) = message.chunk().await? {
            echo.write_chunk(chunk).await?;
        }
        echo.finish().await?;
    }
    Ok(())
}
