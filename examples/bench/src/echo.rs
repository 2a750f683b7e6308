//! The echo for sockets that implement `Stream` and `Sink`, as most do.

use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};

/// The maximum number of messages per flush.
pub const BATCH: usize = 64;

/// The usual loop: receive one message, send one. Ends with the first error.
pub async fn plain<S, M, E>(mut socket: S, is_data: impl Fn(&M) -> bool)
where
    S: Stream<Item = Result<M, E>> + Sink<M> + Unpin,
{
    while let Some(Ok(message)) = socket.next().await {
        if is_data(&message) && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// The batched loop: all messages that have already arrived are echoed before one flush. They are
/// collected first, as reading from some sockets (those of tokio-websockets) flushes what was fed
/// to them.
pub async fn batched<S, M, E>(mut socket: S, is_data: impl Fn(&M) -> bool)
where
    S: Stream<Item = Result<M, E>> + Sink<M> + Unpin,
{
    let mut ready = Vec::with_capacity(BATCH);
    while let Some(Ok(message)) = socket.next().await {
        ready.push(message);
        while ready.len() < BATCH
            && let Some(Some(Ok(message))) = socket.next().now_or_never()
        {
            ready.push(message);
        }
        for message in ready.drain(..) {
            if is_data(&message) && socket.feed(message).await.is_err() {
                return;
            }
        }
        if socket.flush().await.is_err() {
            return;
        }
    }
}
