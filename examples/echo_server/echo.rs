use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::either::Either;
use tower_websocket::WebSocket;

/// How messages are echoed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Echo {
    pub(super) for_each: bool,
}

impl Echo {
    // Not an `async fn`, which would store the socket twice.
    pub(super) fn serve<T>(self, socket: WebSocket<T>) -> impl Future<Output = ()> + Send
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if self.for_each { Either::Left(echo_borrowed(socket)) } else { Either::Right(echo(socket)) }
    }
}

/// The usual loop.
async fn echo<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut socket: WebSocket<T>) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

/// The faster loop, for handlers that do not wait between a message and its reply.
async fn echo_borrowed<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut socket: WebSocket<T>) {
    let _ = socket
        .for_each_borrowed(|message, replies| {
            // Refused only if the connection is closing.
            let _ = replies.send_borrowed(message);
        })
        .await;
}
