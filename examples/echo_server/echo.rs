use tokio::io::{AsyncRead, AsyncWrite};
use tower_websocket::WebSocket;

/// How messages are echoed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Echo {
    pub(super) for_each: bool,
}

impl Echo {
    pub(super) async fn serve<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, socket: WebSocket<T>) {
        if self.for_each { echo_borrowed(socket).await } else { echo(socket).await }
    }
}

/// The loop that everyone writes.
async fn echo<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut socket: WebSocket<T>) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

/// The faster one, for who has to wait for nothing between a message and its answer.
async fn echo_borrowed<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut socket: WebSocket<T>) {
    let _ = socket
        .for_each(|message, replies| {
            // Refused only where the connection is closing.
            let _ = replies.send_borrowed(message);
        })
        .await;
}
