use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::either::Either;
use tower_websocket::WebSocket;

/// The way in which messages are echoed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Echo {
    pub(super) for_each: bool,
    /// While they arrive, of up to this many bytes.
    pub(super) stream: Option<u64>,
}

impl Echo {
    // Not an `async fn`, which would store the socket twice.
    pub(super) fn serve<T>(self, socket: WebSocket<T>) -> impl Future<Output = ()> + Send
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match self.stream {
            Some(limit) => Either::Left(echo_streams(socket, limit)),
            None if self.for_each => Either::Right(Either::Left(echo_borrowed(socket))),
            None => Either::Right(Either::Right(echo(socket))),
        }
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

/// Messages of any size, of which no more than a piece is in memory.
async fn echo_streams<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut socket: WebSocket<T>, limit: u64) {
    let sender = socket.sender();
    while let Some(Ok(mut message)) = socket.recv_stream(limit).await {
        let mut echo = sender.send_stream(message.kind());
        loop {
            match message.chunk().await {
                Ok(Some(chunk)) => {
                    if echo.write_chunk(chunk).await.is_err() {
                        return;
                    }
                }
                Ok(None) => break,
                // Dropping the unfinished echo shows the client that it is not complete.
                Err(_) => return,
            }
        }
        if echo.finish().await.is_err() {
            return;
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
